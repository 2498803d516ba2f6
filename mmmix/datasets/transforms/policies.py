"""AutoAugment's policies at one magnitude: the operations stay those of mmpretrain and torchvision."""

from collections.abc import Sequence

import torch
from mmpretrain.datasets.transforms.auto_augment import AUTOAUG_POLICIES, RANDAUG_POLICIES, merge_hparams
from torch import Tensor
from torchvision.transforms import AutoAugment, AutoAugmentPolicy

from ...core import check
from ...core.fields import number

#: Operation of mmpretrain -> the argument that its magnitude is.
ARGUMENTS = dict(
    Rotate='angle', Posterize='bits', Solarize='thr', SolarizeAdd='magnitude', ColorTransform='magnitude',
    Contrast='magnitude', Brightness='magnitude', Sharpness='magnitude', Shear='magnitude', Translate='magnitude',
    Cutout='shape', GaussianBlur='radius',
)  # fmt: skip
#: Operation -> its argument at no and at full magnitude: mmpretrain's ranges, but for posterizing. There it ends at 0
#: bits, a black image, while AutoAugment's policies are written in a range that ends at 4.
RANGES: dict[str, tuple[float, float]] = {
    **{op['type']: op['magnitude_range'] for op in RANDAUG_POLICIES['timm_increasing'] if 'magnitude_range' in op},
    'Posterize': (8, 4),
}


def check_magnitude(name: str, magnitude: float | None, total_level: float) -> None:
    """Refuse a magnitude that lies off its scale, in one line that says what the scale is."""
    check(name, total_level=(total_level, number(default=30, above=0)))
    check(
        name, magnitude=(magnitude, number(least=0, most=total_level, optional=True, like=round(0.8 * total_level, 2)))
    )


def policies_of(
    policies: str | Sequence[Sequence[dict]], hparams: dict | None, magnitude: float | None, total_level: float
) -> Sequence[Sequence[dict]]:
    """The policies by name or as they are, with all hyperparameters and at a magnitude.

    mmpretrain's ``AutoAugment`` merges hyperparameters into the policies that it prints, not into those that it runs.

    Raises:
        ValueError: If there are no policies of this name, or if their magnitude cannot be set.
    """
    if isinstance(policies, str):
        if policies not in AUTOAUG_POLICIES:
            raise ValueError(
                f"KeepAutoAugment: `policies` must be 'cifar10', 'svhn', {', '.join(map(repr, AUTOAUG_POLICIES))} or a "
                f'list of lists of transforms, but got {policies!r}.'
            )
        found: Sequence[Sequence[dict]] = AUTOAUG_POLICIES[policies]
    else:
        found = policies
    if hparams is not None:
        found = [[merge_hparams(op, hparams) for op in sub] for sub in found]
    if magnitude is None:
        return found
    if not any(has_magnitude(op) for sub in found for op in sub):
        raise ValueError('KeepAutoAugment: no operation of these `policies` has a magnitude: remove `magnitude`.')
    return [[at_magnitude(op, magnitude, total_level) for op in sub] for sub in found]


def has_magnitude(op: dict) -> bool:
    """Whether there is anything about an operation that a magnitude sets."""
    return 'magnitude_range' in op or str(op['type']).rpartition('.')[2] in ARGUMENTS


def at_magnitude(op: dict, magnitude: float, total_level: float) -> dict:
    """The config of an operation of mmpretrain at another magnitude.

    Args:
        op (dict): Its config. One with a ``magnitude_range`` of its own keeps it.
        magnitude (float): From 0 to ``total_level``.
        total_level (float): The largest magnitude.

    Returns:
        dict: A new one; ``op`` itself if it has no magnitude.

    Raises:
        ValueError: If its magnitude has no range.
    """
    if not has_magnitude(op):
        return op
    if 'magnitude_range' in op:
        return {**op, 'magnitude_level': magnitude, 'total_level': total_level}
    kind = str(op['type']).rpartition('.')[2]
    if kind not in RANGES:
        raise ValueError(
            f'KeepAutoAugment: there is no range for the magnitude of {kind}: give it `magnitude_range` in place of '
            f'`{ARGUMENTS[kind]}`.'
        )
    value = between(*RANGES[kind], magnitude / total_level)
    return {**op, ARGUMENTS[kind]: round(value) if kind == 'Posterize' else value}


def between(first: float, last: float, fraction: float) -> float:
    """The number that lies this fraction of the way from the first to the last."""
    return first + (last - first) * fraction


class AutoAugmentAt(AutoAugment):
    """torchvision's AutoAugment with all operations at one magnitude of its own ranges.

    Args:
        policy (str): ``'cifar10'``, ``'svhn'`` or ``'imagenet'``.
        fraction (float): The magnitude, from 0 to 1.

    Example:
        >>> from PIL import Image
        >>> AutoAugmentAt('cifar10', fraction=0.8)(Image.new('RGB', (32, 32))).size
        (32, 32)
    """

    def __init__(self, policy: str, fraction: float):
        super().__init__(AutoAugmentPolicy(policy))
        self.fraction = fraction
        # Not public: should another torchvision have none, it shows here and not in what is never asked.
        self._augmentation_space(10, (32, 32))

    def _augmentation_space(self, num_bins: int, image_size: tuple[int, int]) -> dict[str, tuple[Tensor, bool]]:
        space = super()._augmentation_space(num_bins, image_size)
        return {name: (self._constant(values), signed) for name, (values, signed) in space.items()}

    def _constant(self, values: Tensor) -> Tensor:
        if values.ndim == 0:
            return values
        value = between(float(values[0]), float(values[-1]), self.fraction)
        return torch.full_like(values, value if values.is_floating_point() else round(value))
