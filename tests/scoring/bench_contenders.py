"""Contenders for the tests of the bench: what lives in a process must be importable there."""

import ctypes
import os

from frame_tools.contracts.errors import InputError


class Counting:
    """Tells where it lives; its rate rises with each round."""

    def __init__(self, setting):
        self.setting = setting
        self.rounds = 0

    def rate(self, seconds):
        self.rounds += 1
        return self.rounds * seconds

    def facts(self):
        return {"pid": os.getpid(), "gpus": seen_by_libraries("CUDA_VISIBLE_DEVICES")}


def seen_by_libraries(name):
    getenv = ctypes.CDLL(None).getenv
    getenv.restype = ctypes.c_char_p
    return getenv(name.encode())


def refusing(_setting):
    raise InputError("The contender does not want to", "Ask another")
