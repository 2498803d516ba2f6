"""MixPro: MaskMix with progressive attention labels."""

import torch
from torch import Tensor

from ..labels import ProgressiveAttention
from ..part import Labels, Partners
from ..registry import BATCH_AUGMENTS
from .mix import Mixer
from .resample import cells_to_pixels


@BATCH_AUGMENTS.register_module()
class MaskMix(Mixer):
    r"""MaskMix: a grid of patches much larger than those of the network, each the own image's or the partner's.

    The geometry of `MixPro <https://arxiv.org/abs/2304.12043>`_, for any network. The grid has
    ``ceil(size / mask_size)`` cells a side, the last ones cut off at the border; ``ceil(share * cells)`` of them, drawn
    for each image, are its own. The labels follow the area, here also where cells are cut off.

    Args:
        mask_size (int): Side of a cell in pixels, a multiple of the network's patch. Defaults to 56, the paper's for
            224 pixels.
        alpha (float): Parameter of the Beta(alpha, alpha) distribution of the own share. Defaults to 1.0.
        prob (float): Probability of mixing, per batch with ``lam_mode='batch'``, per sample with ``'elem'``.
            Defaults to 1.0.
        lam_mode (str): ``'batch'`` (one ratio a batch, cells for each image) or ``'elem'``. Defaults to ``'batch'``.
        partners (Partners | dict, optional): Who is mixed in. Defaults to None, a random permutation.
        labels (Labels | dict, optional): How much of each label. Defaults to None, the area.
        check_finite (bool): Whether to refuse NaN and infinity, at the price of a synchronisation. Defaults to False.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> import torch
        >>> from mmmix import MaskMix
        >>> mix = MaskMix(mask_size=4).mix(torch.rand(4, 3, 8, 8), torch.eye(4))
        >>> bool((mix.lam * 4 == (mix.lam * 4).round()).all())
        True
    """

    def __init__(
        self,
        mask_size: int = 56,
        alpha: float = 1.0,
        prob: float = 1.0,
        lam_mode: str = 'batch',
        partners: Partners | dict | None = None,
        labels: Labels | dict | None = None,
        check_finite: bool = False,
    ):
        super().__init__(
            alpha, prob=prob, lam_mode=lam_mode, partners=partners, labels=labels, check_finite=check_finite
        )
        self.mask_size = check_size(mask_size, type(self).__name__, 'mask_size')

    def draw(self, own: Tensor, other: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        """As many own cells as the share asks for, in places drawn for each image."""
        height, width = own.shape[-2:]
        rows, columns = -(-height // self.mask_size), -(-width // self.mask_size)
        place = torch.rand(len(own), rows * columns, device=own.device).argsort(1)
        count = (share.double() * rows * columns).ceil()
        cells = (place < count[:, None]).view(-1, 1, rows, columns)
        # A whole number of cells, of which the border cuts off what sticks out.
        return cells_to_pixels(cells, rows * self.mask_size, columns * self.mask_size)[..., :height, :width], other


@BATCH_AUGMENTS.register_module()
class MixPro(MaskMix):
    r"""MixPro: :class:`MaskMix` whose labels follow the attention as far as the network predicts well.

    `MixPro: Data Augmentation with MaskMix and Progressive Attention Labeling for Vision Transformer
    <https://arxiv.org/abs/2304.12043>`_. ``MaskMix(labels=ProgressiveAttention())``: see there. It needs
    :class:`mmmix.MixClassifier` and a ViT, DeiT or Swin. The authors mix half of the batches this way and half with
    Mixup or CutMix, by a list of ``augments``.

    Args:
        mask_size (int): Side of a cell in pixels, a multiple of the network's patch. Defaults to 56, the paper's for
            224 pixels.
        alpha (float): Parameter of the Beta(alpha, alpha) distribution of the own share. Defaults to 1.0.
        prob (float): Probability of mixing, per batch with ``lam_mode='batch'``, per sample with ``'elem'``.
            Defaults to 1.0.
        lam_mode (str): ``'batch'`` (one ratio a batch, cells for each image) or ``'elem'``. Defaults to ``'batch'``.
        partners (Partners | dict, optional): Who is mixed in. Defaults to None, a random permutation.
        labels (Labels | dict, optional): How much of each label. Defaults to None, :class:`ProgressiveAttention`.
        check_finite (bool): Whether to refuse NaN and infinity, at the price of a synchronisation. Defaults to False.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> from mmmix import MixPro
        >>> model = dict(type='mmmix.MixClassifier', train_cfg=dict(augments=dict(type='mmmix.MixPro', mask_size=64)))
        >>> MixPro(mask_size=64).labels
        ProgressiveAttention(at=None)
    """

    def __init__(
        self,
        mask_size: int = 56,
        alpha: float = 1.0,
        prob: float = 1.0,
        lam_mode: str = 'batch',
        partners: Partners | dict | None = None,
        labels: Labels | dict | None = None,
        check_finite: bool = False,
    ):
        labels = ProgressiveAttention() if labels is None else labels
        super().__init__(mask_size, alpha, prob, lam_mode, partners, labels, check_finite)


def check_size(size: int, name: str, role: str) -> int:
    """The side of a patch.

    Raises:
        ValueError: If it is no positive whole number.
    """
    if isinstance(size, bool) or not isinstance(size, int) or size < 1:
        raise ValueError(f'{name}: `{role}` must be a positive number of pixels, e.g. {role}=16, but got {size!r}.')
    return size
