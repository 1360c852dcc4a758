"""Contenders for the tests of the bench: what lives in a process must be importable there."""

import os
import sys

from frame_tools.errors import InputError


class Counting:
    """Tells where it lives; its rate rises with each round."""

    def __init__(self, setting):
        self.setting = setting
        self.rounds = 0

    def rate(self, seconds):
        self.rounds += 1
        return self.rounds * seconds

    def facts(self):
        return {"pid": os.getpid(), "gpus": os.environ.get("CUDA_VISIBLE_DEVICES"), "torch": "torch" in sys.modules}


def refusing(_setting):
    raise InputError("The contender does not want to", "Ask another")
