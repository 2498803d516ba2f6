"""GridMix."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..core import Mix, Mixer
from ..core.fields import number, text, whole
from ..ops.cells import cells_of, cells_to_pixels
from ..ops.devices import without_autocast
from ..probes.modules import module_at, recorded
from .recursivemix import feature_map, map_width


class GridMix(Mixer, first=('grid', 'alpha', 'prob', 'lam_mode', 'partners', 'labels', 'check_finite', 'at')):
    r"""GridMix: a chessboard whose cells are the own image or the partner at random.

    `GridMix: Strong Regularization through Local Context Mapping <https://doi.org/10.1016/j.patcog.2020.107594>`_. The
    image is divided into ``grid x grid`` cells, each the own image's with probability ``share``; the labels follow the
    area.

    With ``local`` above 0 the paper's second part comes along, in :class:`mmmix.MixClassifier`: a linear layer of its
    own predicts the label of every cell from the average of the last feature map over it. To the losses it adds
    ``loss_local``, ``local`` times the mean cross entropy over all cells. The layer is kept as ``learned.gridmix``; a
    plain classifier ignores it in a checkpoint.

    The paper's code is not public, so the law of the cells and the form of the second loss are our reading of it, and
    its weight is yours to choose. OpenMixup's ``gridmix`` is another method of that name, :class:`GridHoles`.

    Raises:
        TypeError: If ``local`` is asked of a model that does not train it.
        ValueError: If an argument is out of range, or the network has no such feature map.
        RuntimeError: If ``local`` is asked for without a :class:`mmmix.MixClassifier`.

    Example:
        >>> import torch
        >>> from mmmix import GridMix
        >>> mix = GridMix(grid=2).mix(torch.rand(4, 3, 8, 8), torch.eye(4))
        >>> bool((mix.lam * 4 == (mix.lam * 4).round()).all())
        True
        >>> train_cfg = dict(augments=[dict(type='mmmix.GridMix', local=0.1)])  # of a MixClassifier
    """

    grid: int = whole(default=4, least=1, doc='Cells a side.')
    local: float = number(
        default=0.0,
        least=0,
        like=0.1,
        doc='Weight of the loss of the cells. Above 0 it needs :class:`mmmix.MixClassifier`; 0 is no such loss.',
    )
    features: str = text(
        default='backbone',
        what='the path of a module',
        doc='Path of the module whose feature map ``(N, C, h, w)`` that loss looks at. The default is the last one in '
        'front of the pooling.',
    )

    def __post_init__(self) -> None:
        """The loss needs a model."""
        super().__post_init__()
        self.needs_model = self.needs_model or self.local > 0

    @property
    def picks(self) -> bool:
        """Cells are pasted as they are."""
        return not self.local

    def draw(self, own: Tensor, other: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        """One chessboard for the batch with ``'batch'``, one for each image with ``'elem'``."""
        share = self.of_masks(share)
        rows, columns = cells_of(own, self.grid)
        cells = torch.rand(len(share), 1, rows, columns, device=own.device) < share[:, None, None, None]
        return cells_to_pixels(cells, *own.shape[-2:]), other

    def __call__(self, images: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
        """Mix a batch; with ``local`` a classifier must be there to train it."""
        if self.local:
            self.require_model()
        return super().__call__(images, scores)

    def bind(self, model: Any) -> None:
        """Look at ``model``; see :meth:`Part.bind`. With ``local`` it must train what a part learns."""
        if self.local and not hasattr(model, 'learned'):
            raise TypeError(
                f"GridMix: {type(model).__name__} does not train `local`: use type='mmmix.MixClassifier', or local=0."
            )
        super().bind(model)

    @property
    def learns(self) -> str | None:
        """The name under which the classifier keeps the linear layer of the loss of the cells."""
        return 'gridmix' if self.local else None

    def check_model(self, model: Any) -> None:
        """Refuse a network without the feature map that is asked for."""
        if self.local:
            map_width(model, self.features, 'GridMix', 'local')

    def build_learned(self, model: Any) -> nn.Module:
        """The linear layer. It draws its weights on the side: the network starts as it would without it."""
        with torch.random.fork_rng(devices=[]):
            return nn.Linear(map_width(model, self.features, 'GridMix', 'local'), model.num_classes)

    @contextmanager
    def listen(self, model: Any) -> Iterator[Callable[[Mix, Tensor], dict[str, Tensor]]]:
        """Listen to the feature map while the mixed images go through the network; see :meth:`Part.listen`."""
        linear = model.learned[self.learns]
        with recorded(module_at(model, self.features)) as heard:

            def losses(mix: Mix, logits: Tensor) -> dict[str, Tensor]:
                mixer = model.mixer
                if not isinstance(mixer, GridMix):
                    # What is learned takes part in every step, or distributed training complains.
                    nothing = logits.new_zeros((), dtype=torch.float32)
                    return {'loss_local': sum((0 * p.sum() for p in linear.parameters()), nothing)}
                maps = feature_map(heard[-1])
                return {'loss_local': mixer.local * local_loss(maps, linear, mix, *cells_of(mix.images, mixer.grid))}

            yield losses


def local_loss(maps: Tensor, linear: nn.Module, mix: Mix, rows: int, columns: int) -> Tensor:
    """The mean cross entropy of the cells of a chessboard.

    Args:
        maps (Tensor): ``(N, C, h, w)`` features of the mixed images.
        linear (nn.Module): From ``(..., C)`` to ``(..., K)`` logits.
        mix (Mix): How the images were mixed.
        rows (int): Cells down.
        columns (int): Cells across.
    """
    with without_autocast(maps):
        cells = F.adaptive_avg_pool2d(maps.float(), (rows, columns)).flatten(2).transpose(1, 2)
        own = F.adaptive_avg_pool2d(mix.mask, (rows, columns)).flatten(1)[:, :, None]
        scores = mix.pool_scores.float()
        labels = own * scores[: len(own), None] + (1 - own) * scores[mix.partner][:, None]
        return F.cross_entropy(linear(cells).flatten(0, 1), labels.flatten(0, 1))
