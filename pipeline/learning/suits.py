"""Whether a model can be built for a data set, known before anything is built."""

from pipeline.config import StudyConfig, values_of
from pipeline.errors import BadInputError


def check_suits(study: StudyConfig, image_shape: tuple[int, ...], *, where: str) -> None:
    """Refuse a convolutional network for rows that are no images, or too small ones.

    Args:
        study: Its model and its space.
        image_shape: Of one row: (H, W), (C, H, W) or (n,).
        where: What an error names: the study file.

    Raises:
        BadInputError: No trial, or not every one, could be built.
    """
    if study.model.name != "cnn":
        return
    if len(image_shape) == 1:
        raise BadInputError(
            where=where,
            key="model.name",
            got=f"cnn for rows of {image_shape[0]} values",
            expected="mlp or autoencoder, since these are no images",
        )
    side = min(image_shape[-2:])
    largest = side.bit_length() - 1
    blocks = max(values_of(study.space.domains["blocks"], corners=True))
    if blocks > largest:
        raise BadInputError(
            where=where,
            key="space.blocks",
            got=str(blocks),
            expected=f"at most {largest}, since each block halves images of "
            f"{image_shape[-2]} x {image_shape[-1]}",
        )
