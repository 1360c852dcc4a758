"""Trigger files that editors and shells write in other encodings are named as what they are."""

import codecs

import pytest

from frame_tools.contracts import ids
from frame_tools.contracts.errors import InputError
from frame_tools.contracts.split_options import SplitOptions
from frame_tools.contracts.trigger import Trigger, parse_trigger

TEXT = '{"scorer": "copy"}'


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf16_trigger_is_named(encoding: str) -> None:
    boms = {"utf-16-le": codecs.BOM_UTF16_LE, "utf-16-be": codecs.BOM_UTF16_BE}
    with pytest.raises(InputError, match="UTF-16"):
        parse_trigger(boms.get(encoding, b"") + TEXT.encode(encoding))


def test_utf8_trigger_with_byte_order_mark_is_read() -> None:
    assert parse_trigger(codecs.BOM_UTF8 + TEXT.encode()).scorer == "copy"


def test_split_options_are_those_of_the_trigger() -> None:
    trigger = parse_trigger(b'{"scorer": "copy", "hdr": "refuse", "deinterlace": "off", "damaged": "keep"}')
    assert trigger.split_options == SplitOptions(hdr="refuse", deinterlace="off", damaged="keep")
    assert Trigger(scorer="copy").split_options == SplitOptions()


def test_name_that_is_not_utf8_is_replaced_or_refused() -> None:
    name = b"bad\xff.mp4".decode("utf-8", "surrogateescape")
    assert ids.name_from(name) == "bad-.mp4"
    with pytest.raises(InputError, match="character"):
        ids.check_name(name, "name").encode()
