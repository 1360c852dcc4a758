"""The frame pipeline keeps order, bounds memory, stops at the first error, and leaves no thread behind."""

import os
import sys
import threading
import weakref
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frame_tools.contracts.errors import InputError, InternalError
from scoring import image_codec
from scoring.pipeline.pipeline import CONCURRENT_BATCHES, describe_frames, score_frames
from scoring.pipeline.types import FrameRecord, Outputs, SourceFrame, Stages, Workers
from scoring.thread_pools import PoolGroup
from scoring.types import FramePosition, PictureError

DEADLINE = 20  # seconds; only a failing test ever waits that long


def picture(value, height=4, width=6):
    return np.full((height, width, 3), value, np.uint8)


def item(index, fetch, *, delivered=True):
    return SourceFrame(
        position=FramePosition(index, index / 25), name=f"{index:05}.png", fetch=fetch, delivered=delivered
    )


def source(count, start=0, warm_up=0):
    for index in range(start - warm_up, start + count):
        yield item(index, lambda index=index: image_codec.encode_png(picture(index % 256)), delivered=index >= start)


def same(pictures, positions):
    return pictures


def png(picture, alpha):
    return image_codec.encode_png(picture, alpha)


def keep(index, name, data):
    return index, name, int(image_codec.decode(data, name)[0, 0, 0])


@pytest.fixture(autouse=True)
def no_thread_left():
    before = set(threading.enumerate())
    yield
    assert {t for t in threading.enumerate() if t.name.startswith("stream-")} <= before


@given(st.integers(0, 25), st.integers(1, 5), st.integers(1, 4), st.integers(1, 6))
def test_frames_arrive_once_and_in_order(count, per_forward, threads, waiting):
    reported: list[FrameRecord] = []
    segment, batches = [], []

    def invert(pictures, positions):
        assert [m.index for m in positions] == list(pictures[:, 0, 0, 0])
        assert all(m.pts_seconds == m.index / 25 for m in positions)
        batches.append(len(pictures))
        return 255 - pictures

    stored = score_frames(
        source(count, start=3),
        invert,
        Outputs(
            keep, encode=png, segment=lambda frame: segment.append(frame.picture[0, 0, 0]), on_frame=reported.append
        ),
        frames_per_forward=per_forward,
        workers=Workers(readers=threads, writers=threads, waiting=waiting),
    )
    expected = [(i, f"{i:05}.png", 255 - i) for i in range(3, 3 + count)]
    assert list(stored) == [record.stored for record in reported] == expected
    assert segment == [value for _, _, value in expected]
    assert sum(batches) == count
    assert max(batches, default=0) <= per_forward
    assert all(min(r.load_ms, r.infer_ms, r.save_ms, r.segment_ms) >= 0 for r in reported)


def test_batches_hold_frames_of_one_size():
    widths, shapes = [6, 6, 7, 7, 7, 6], []

    def score(pictures, positions):
        shapes.append(pictures.shape)
        return pictures

    items = [item(i, lambda w=w: image_codec.encode_png(picture(1, width=w))) for i, w in enumerate(widths)]
    score_frames(items, score, Outputs(lambda *_: None), frames_per_forward=4)
    assert sorted(shape[0] * 100 + shape[2] for shape in shapes) == [106, 206, 307]


def test_record_names_the_frame_and_sink_result():
    reported: list[FrameRecord] = []
    score_frames(source(1, start=8), same, Outputs(lambda i, n, d: "etag", on_frame=reported.append))
    assert isinstance(reported[0], FrameRecord)
    assert (reported[0].index, reported[0].name, reported[0].stored, reported[0].segment_ms) == (
        8,
        "00008.png",
        "etag",
        0,
    )


def test_default_encoding_is_jpeg():
    assert score_frames(source(1), same, Outputs(lambda i, n, d: d[:2])) == (b"\xff\xd8",)


def test_frames_in_memory_are_bounded():
    alive = set()
    peak = 0

    def score(pictures, positions):
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
        for frame in source(300):
            asked += 1
            assert asked - finished <= 3 + 1 + 3 + CONCURRENT_BATCHES + 2
            yield frame

    finished = 0

    def on_frame(_):
        nonlocal finished
        finished += 1

    score_frames(counted(), score, Outputs(lambda *_: None, on_frame=on_frame), workers=workers)
    assert finished == 300
    assert peak <= 3 + CONCURRENT_BATCHES + 2


def test_reading_overlaps_with_scoring():
    third_read = threading.Event()

    def items():
        for index, frame in enumerate(source(3)):
            fetch = frame.fetch
            yield item(index, lambda fetch=fetch: (third_read.set(), fetch())[1]) if index == 2 else frame

    def score(pictures, positions):
        assert third_read.wait(DEADLINE)
        return pictures

    assert len(score_frames(items(), score, Outputs(keep))) == 3


def test_writing_overlaps_with_scoring():
    second_forward = threading.Event()

    def score(pictures, positions):
        if pictures[0, 0, 0, 0] == 1:
            second_forward.set()
        return pictures

    def sink(*_):
        assert second_forward.wait(DEADLINE)

    assert len(score_frames(source(2), score, Outputs(sink))) == 2


def test_segment_gets_frames_in_order():
    later_frame_written, order = threading.Event(), []

    def segment(frame):
        if frame.picture[0, 0, 0] == 0:
            assert later_frame_written.wait(DEADLINE)
        order.append(frame.picture[0, 0, 0])

    def sink(index, *_):
        if index == 4:
            later_frame_written.set()

    score_frames(source(6), same, Outputs(sink, segment=segment))
    assert order == [0, 1, 2, 3, 4, 5]


def test_corrupt_frame_is_named():
    items = [*source(2), item(2, lambda: b"\x89PNG but no more")]
    with pytest.raises(InputError, match=r"00002\.png"):
        score_frames(items, same, Outputs(keep))


STAGES = [
    "source",
    "read",
    "decode",
    "downscale",
    "estimate_motion",
    "score",
    "smooth",
    "composite",
    "measure",
    "encode",
    "sink",
]


@pytest.mark.parametrize("stage", [*STAGES, "encode", "sink", "segment", "on_frame"])
def test_error_of_any_stage_stops_the_pipeline(stage):
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

    reported: list[FrameRecord] = []
    reading, opening = fails_at_5("read", lambda fetch: fetch()), fails_at_5("source", lambda frame: frame)

    def items():
        for index, frame in enumerate(source(100_000)):
            yield opening(item(index, lambda fetch=frame.fetch: reading(fetch)))

    stages = Stages(
        decode=fails_at_5("decode", image_codec.decode_with_alpha),
        downscale=fails_at_5("downscale", lambda p: p[::2]),
        estimate_motion=fails_at_5("estimate_motion", lambda before, frame: 1),
        smooth=fails_at_5("smooth", lambda frame, scored, link: scored),
        composite=fails_at_5("composite", lambda frame, followed: followed),
        measure=fails_at_5("measure", lambda before, frame: None),
        measure_every=1,
    )

    outputs = Outputs(
        fails_at_5("sink", keep),
        encode=fails_at_5("encode", image_codec.encode_png),
        segment=fails_at_5("segment", lambda _: None),
        on_frame=fails_at_5("on_frame", reported.append),
    )
    with pytest.raises(BrokenError):
        score_frames(items(), fails_at_5("score", same), outputs, stages=stages)
    assert len(reported) <= 5


def test_first_error_wins_over_a_pending_frame(monkeypatch):
    failed = threading.Event()
    record_failure = PoolGroup._record_failure

    def record(pools, future):
        record_failure(pools, future)
        if future.exception() is not None:
            failed.set()

    monkeypatch.setattr(PoolGroup, "_record_failure", record)

    def sink(index, *_):
        if index == 0:  # still running when the other frame fails, and then fails, too
            assert failed.wait(DEADLINE)
            raise ValueError("late")
        raise KeyError("first")

    with pytest.raises(KeyError, match="first"):
        score_frames(source(2), same, Outputs(sink))


def test_picture_error_names_its_frame():
    def score(pictures, positions):
        for position, value in enumerate(pictures[:, 0, 0, 0]):
            if value == 7:
                raise PictureError(position, "It is a seven", "Remove it", fault=InputError)
        return pictures

    with pytest.raises(InputError, match=r"00007\.png.*It is a seven\. Remove it"):
        score_frames(source(9), score, Outputs(keep), frames_per_forward=3)


@pytest.mark.parametrize("bad", [lambda p, m: p[:, :-1], lambda p, m: p.astype(float), lambda p, m: p[:1]])
def test_invalid_scorer_output_is_rejected(bad):
    with pytest.raises(InternalError, match=r"uint8 \(2, 4, 6, 3\)"):
        score_frames(source(4), bad, Outputs(keep), frames_per_forward=2)


@pytest.mark.skipif(sys.platform != "linux", reason="threads have priorities of their own on Linux only")
def test_only_scoring_and_smoothing_keep_priority():
    niceness = {}

    def note(stage, result):
        niceness[stage] = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
        return result

    items = [item(i, lambda fetch=frame.fetch: note("read", fetch())) for i, frame in enumerate(source(2))]
    outputs = Outputs(lambda *_: note("sink", None), segment=lambda _: note("segment", None))
    stages = Stages(
        estimate_motion=lambda before, frame: note("estimate_motion", True),
        smooth=lambda frame, scored, link: note("smooth", scored),
        composite=lambda frame, followed: note("composite", followed),
        measure=lambda before, frame: note("measure", None),
        measure_every=1,
    )
    score_frames(items, lambda pictures, positions: note("score", pictures), outputs, stages=stages)
    own = os.getpriority(os.PRIO_PROCESS, 0)
    assert niceness["score"] == niceness["smooth"] == own
    assert (
        min(niceness[stage] for stage in ("read", "estimate_motion", "composite", "measure", "sink", "segment")) > own
    )


@given(st.integers(1, 12), st.integers(0, 5), st.integers(1, 4), st.integers(1, 4))
def test_smoothing_is_ordered_and_warm_up_is_not_delivered(count, warm_up, per_forward, waiting):
    followed: list[int] = []
    reported: list[FrameRecord] = []
    segment: list[int] = []

    def follow(frame, scored, link):
        assert link == (None if not followed else (followed[-1], frame.position.index))
        followed.append(frame.position.index)
        return scored + 1

    stored = score_frames(
        source(count, start=20, warm_up=warm_up),
        lambda pictures, positions: pictures + 100,
        Outputs(
            keep,
            encode=png,
            segment=lambda frame: segment.append(int(frame.picture[0, 0, 0])),
            on_frame=reported.append,
        ),
        stages=Stages(
            estimate_motion=lambda before, frame: (before.position.index, frame.position.index),
            smooth=follow,
            composite=lambda frame, scored: scored + frame.picture,
        ),
        frames_per_forward=per_forward,
        workers=Workers(waiting=waiting),
    )
    expected = [(20 + i) * 2 + 101 for i in range(count)]
    assert followed == list(range(20 - warm_up, 20 + count))
    assert [value for _, _, value in stored] == segment == expected
    assert [record.index for record in reported] == list(range(20, 20 + count))


def test_delivered_pairs_are_measured():
    pairs = []
    reported: list[FrameRecord] = []

    def measure(before, frame):
        pairs.append((int(before.picture[0, 0, 0]), int(frame.picture[0, 0, 0])))
        return frame.decoded.position.index

    stages: Stages[Any] = Stages(composite=lambda frame, scored: scored + 50, measure=measure, measure_every=4)
    outputs = Outputs(keep, on_frame=reported.append)
    score_frames(source(9, start=8, warm_up=3), same, outputs, stages=stages, workers=Workers(waiting=2))
    assert sorted(pairs) == [(61, 62), (65, 66)]  # not 57 to 58: frame 7 is delivered by the batch before
    measured: list[Any] = [(record.index, record.measured) for record in reported if record.measured]
    assert measured == [(12, 12), (16, 16)]


def test_scorer_gets_working_picture_and_composite_full_size():
    def touch(frame, scored):
        assert scored.shape == frame.working_picture.shape == (2, 6, 3)
        return frame.picture

    def half_height_only(pictures, positions):
        assert pictures.shape[1:] == (2, 6, 3)
        return pictures

    stages: Stages[Any] = Stages(downscale=lambda p: p[::2], composite=touch)
    shapes = []
    outputs = Outputs(lambda *_: None, segment=lambda frame: shapes.append(frame.picture.shape))
    score_frames(source(3), half_height_only, outputs, stages=stages)
    assert shapes == [(4, 6, 3)] * 3


def test_no_motion_across_a_size_change():
    widths, motions = [6, 6, 7, 7], []

    def follow(frame, scored, link):
        motions.append(link)
        return scored

    items = [item(i, lambda w=w: image_codec.encode_png(picture(1, width=w))) for i, w in enumerate(widths)]
    score_frames(
        items,
        same,
        Outputs(lambda *_: None),
        stages=Stages(estimate_motion=lambda b, f: f.position.index, smooth=follow),
    )
    assert motions == [None, 1, None, 3]


def test_alpha_reaches_the_encoder():
    alpha = np.arange(24, dtype=np.uint8).reshape(4, 6) * 10
    items = [item(0, lambda: image_codec.encode_png(picture(9), alpha))]
    (stored,) = score_frames(items, same, Outputs(lambda i, n, d: d, encode=png), stages=Stages())
    assert np.array_equal(np.asarray(image_codec.decode_with_alpha(stored, "").alpha), alpha)


def test_in_order_scorer_runs_on_one_thread():
    indices: list[int] = []
    threads = set()

    def score(pictures, positions):
        threads.add(threading.get_ident())
        indices.extend(position.index for position in positions)
        return pictures

    score_frames(source(40), score, Outputs(lambda *_: None), in_order=True)
    assert indices == list(range(40))
    assert len(threads) == 1


def brightness(pictures, positions):
    return [{"frame": m.index, "mean": float(p.mean())} for m, p in zip(positions, pictures, strict=True)]


def test_records_are_ordered_and_skip_warm_up():
    reported: list[FrameRecord] = []
    describe_frames(source(7, start=5, warm_up=2), brightness, reported.append, frames_per_forward=3)
    assert [record.stored for record in reported] == [{"frame": i, "mean": float(i)} for i in range(5, 12)]
    assert [(record.index, record.name) for record in reported] == [(i, f"{i:05}.png") for i in range(5, 12)]


def test_missing_record_is_rejected():
    with pytest.raises(InternalError, match="1 records for 2 frames"):
        describe_frames(source(4), lambda p, m: brightness(p, m)[1:], lambda _: None, frames_per_forward=2)


def test_describe_error_names_its_frame():
    def describe(pictures, positions):
        raise PictureError(1, "It is a seven", "Remove it", fault=InputError)

    with pytest.raises(InputError, match=r"00001\.png"):
        describe_frames(source(2), describe, lambda _: None, frames_per_forward=2)


def test_error_in_record_callback_stops_the_pipeline():
    def fail(record):
        raise KeyError(record.index)

    with pytest.raises(KeyError):
        describe_frames(source(100_000), brightness, fail)
