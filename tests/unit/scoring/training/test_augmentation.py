"""Training pictures are read from a folder in the order of their names."""

import pytest
from PIL import Image

from frame_tools.contracts.errors import MissingError
from frame_tools.media.images import encode_png
from scoring.training import augmentation


def test_folder_is_read_in_the_order_of_names(tmp_path):
    with pytest.raises(MissingError, match="no pictures"):
        augmentation.read_folder(tmp_path, 20)
    for name, level in (("b.png", 200), ("a.png", 100)):
        (tmp_path / name).write_bytes(encode_png(Image.new("RGB", (80, 40), (level,) * 3)))
    (tmp_path / "note.txt").write_text("no picture")
    read = augmentation.read_folder(tmp_path, 20)
    assert [(picture.shape, int(picture[0, 0, 0])) for picture in read] == [((20, 40, 3), 100), ((20, 40, 3), 200)]
