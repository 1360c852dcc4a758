"""Contenders for tests of the benchmark; in a module of its own, so that their processes can import them."""

import ctypes
import os

from frame_tools.contracts.errors import InputError


class Counting:
    """Reports its process; its rate rises with each round."""

    def __init__(self, setting):
        self.setting = setting
        self.rounds = 0

    def rate(self, seconds):
        self.rounds += 1
        return self.rounds * seconds

    def facts(self):
        return {"pid": os.getpid(), "gpus": c_environment_variable("CUDA_VISIBLE_DEVICES")}


def c_environment_variable(name):
    getenv = ctypes.CDLL(None).getenv
    getenv.restype = ctypes.c_char_p
    return getenv(name.encode())


def refusing(_setting):
    raise InputError("The contender refuses", "Use another one")
