"""The pipeline keeps order, bounds memory, stops at the first error, and leaves no thread behind."""

import os
import sys
import threading
import weakref

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frame_tools.errors import InputError, InternalError
from scoring import frames, stream
from scoring.protocol import PictureError
from scoring.stream import FrameRecord, Outlets, Workers

DEADLINE = 20  # seconds; only a failing test ever waits that long


def picture(value, height=4, width=6):
    return np.full((height, width, 3), value, np.uint8)


def source(count, start=0):
    for index in range(start, start + count):
        yield index, f"{index:05}.png", lambda index=index: frames.encode_png(picture(index % 256))


def same(pictures):
    return pictures


def keep(index, name, data):
    return index, name, int(frames.decode(data, name)[0, 0, 0])


@pytest.fixture(autouse=True)
def no_thread_is_left():
    before = set(threading.enumerate())
    yield
    assert {t for t in threading.enumerate() if t.name.startswith("stream-")} <= before


@given(st.integers(0, 25), st.integers(1, 5), st.integers(1, 4), st.integers(1, 6))
def test_everything_arrives_once_and_in_order(count, per_forward, threads, waiting):
    told, segment, batches = [], [], []

    def invert(pictures):
        batches.append(len(pictures))
        return 255 - pictures

    stored = stream.run(
        source(count, start=3),
        invert,
        Outlets(keep, encode=frames.encode_png, segment=lambda p: segment.append(p[0, 0, 0]), on_frame=told.append),
        frames_per_forward=per_forward,
        workers=Workers(readers=threads, writers=threads, waiting=waiting),
    )
    expected = [(i, f"{i:05}.png", 255 - i) for i in range(3, 3 + count)]
    assert list(stored) == [record.stored for record in told] == expected
    assert segment == [value for _, _, value in expected]
    assert sum(batches) == count
    assert max(batches, default=0) <= per_forward
    assert all(min(r.load_ms, r.infer_ms, r.save_ms, r.segment_ms) >= 0 for r in told)


def test_frames_of_another_size_get_a_forward_of_their_own():
    widths, shapes = [6, 6, 7, 7, 7, 6], []

    def score(pictures):
        shapes.append(pictures.shape)
        return pictures

    items = [(i, str(i), lambda w=w: frames.encode_png(picture(1, width=w))) for i, w in enumerate(widths)]
    stream.run(items, score, Outlets(lambda *_: None), frames_per_forward=4)
    assert sorted(shape[0] * 100 + shape[2] for shape in shapes) == [106, 206, 307]


def test_a_record_says_which_frame_and_what_the_sink_gave():
    told = []
    stream.run(source(1, start=8), same, Outlets(lambda i, n, d: "etag", on_frame=told.append))
    assert isinstance(told[0], FrameRecord)
    assert (told[0].index, told[0].name, told[0].stored, told[0].segment_ms) == (8, "00008.png", "etag", 0)


def test_jpeg_is_written_unless_told_otherwise():
    assert stream.run(source(1), same, Outlets(lambda i, n, d: d[:2])) == (b"\xff\xd8",)


def test_few_frames_are_in_memory_however_long_the_batch():
    alive = set()
    peak = 0

    def score(pictures):
        nonlocal peak
        scored = pictures.copy()
        alive.add(id(scored))
        weakref.finalize(scored, alive.discard, id(scored))
        peak = max(peak, len(alive))
        return scored

    workers = Workers(waiting=3)
    asked = 0

    def counted():
        nonlocal asked
        for item in source(300):
            asked += 1
            assert asked - finished <= 3 + 1 + 3 + stream.FORWARDS_AT_ONCE + 2
            yield item

    finished = 0

    def on_frame(_):
        nonlocal finished
        finished += 1

    stream.run(counted(), score, Outlets(lambda *_: None, on_frame=on_frame), workers=workers)
    assert finished == 300
    assert peak <= 3 + stream.FORWARDS_AT_ONCE + 2


def test_reading_goes_on_while_a_forward_is_computed():
    third_read = threading.Event()

    def items():
        for index, name, fetch in source(3):
            yield index, name, (lambda fetch=fetch: third_read.set() or fetch()) if index == 2 else fetch

    def score(pictures):
        assert third_read.wait(DEADLINE)
        return pictures

    assert len(stream.run(items(), score, Outlets(keep))) == 3


def test_writing_overlaps_with_the_next_forward():
    second_forward = threading.Event()

    def score(pictures):
        if pictures[0, 0, 0, 0] == 1:
            second_forward.set()
        return pictures

    def sink(*_):
        assert second_forward.wait(DEADLINE)

    assert len(stream.run(source(2), score, Outlets(sink))) == 2


def test_the_segment_gets_frames_in_order_even_if_one_takes_long():
    later_frame_written, order = threading.Event(), []

    def segment(frame):
        if frame[0, 0, 0] == 0:
            assert later_frame_written.wait(DEADLINE)
        order.append(frame[0, 0, 0])

    def sink(index, *_):
        if index == 4:
            later_frame_written.set()

    stream.run(source(6), same, Outlets(sink, segment=segment))
    assert order == [0, 1, 2, 3, 4, 5]


def test_a_corrupt_frame_is_named():
    items = [*source(2), (2, "00002.png", lambda: b"\x89PNG but no more")]
    with pytest.raises(InputError, match=r"00002\.png"):
        stream.run(items, same, Outlets(keep))


@pytest.mark.parametrize("stage", ["source", "read", "score", "encode", "sink", "segment", "on_frame"])
def test_an_error_of_any_stage_ends_the_run(stage):
    class BrokenError(Exception):
        pass

    def fails_at_5(name, call):
        calls = 0
        lock = threading.Lock()

        def wrapped(*arguments):
            nonlocal calls
            with lock:
                calls += 1
                now = calls
            if name == stage and now == 5:
                raise BrokenError
            return call(*arguments)

        return wrapped

    told = []
    reading, opening = fails_at_5("read", lambda fetch: fetch()), fails_at_5("source", lambda item: item)

    def items():
        for index, name, fetch in source(100_000):
            yield opening((index, name, lambda fetch=fetch: reading(fetch)))

    outlets = Outlets(
        fails_at_5("sink", keep),
        encode=fails_at_5("encode", frames.encode_png),
        segment=fails_at_5("segment", lambda p: None),
        on_frame=fails_at_5("on_frame", told.append),
    )
    with pytest.raises(BrokenError):
        stream.run(items(), fails_at_5("score", same), outlets)
    assert len(told) <= 5


def test_the_first_error_wins_even_while_another_frame_is_waited_for():
    failed = threading.Event()

    def sink(index, *_):
        if index == 0:  # slow, and fails as well when everything is already lost
            assert failed.wait(DEADLINE)
            raise ValueError("late")
        failed.set()
        raise KeyError("first")

    with pytest.raises(KeyError, match="first"):
        stream.run(source(2), same, Outlets(sink))


def test_a_picture_error_is_told_by_the_name_of_its_frame():
    def score(pictures):
        for position, value in enumerate(pictures[:, 0, 0, 0]):
            if value == 7:
                raise PictureError(position, "It is a seven", "Remove it", fault=InputError)
        return pictures

    with pytest.raises(InputError, match=r"00007\.png can't be scored: It is a seven\. Remove it"):
        stream.run(source(9), score, Outlets(keep), frames_per_forward=3)


@pytest.mark.parametrize("bad", [lambda p: p[:, :-1], lambda p: p.astype(float), lambda p: p[:1]])
def test_a_scorer_that_breaks_its_promise_is_caught(bad):
    with pytest.raises(InternalError, match="as many frames of the same size"):
        stream.run(source(4), bad, Outlets(keep), frames_per_forward=2)


@pytest.mark.skipif(sys.platform != "linux", reason="threads have priorities of their own on Linux only")
def test_only_the_scorer_keeps_its_priority():
    niceness = {}

    def note(stage, result):
        niceness[stage] = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
        return result

    items = [(i, n, lambda fetch=fetch: note("read", fetch())) for i, n, fetch in source(1)]
    outlets = Outlets(lambda *_: note("sink", None), segment=lambda p: note("segment", None))
    stream.run(items, lambda pictures: note("score", pictures), outlets)
    own = os.getpriority(os.PRIO_PROCESS, 0)
    assert niceness["score"] == own
    assert min(niceness[stage] for stage in ("read", "sink", "segment")) > own
