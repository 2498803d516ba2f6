"""RecursiveMix."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..core import Built, Mix, Partners, WholeMixer
from ..core.fields import again, flag, number, settled, span, text
from ..ops.boxes import Box
from ..ops.devices import without_autocast
from ..ops.regions import box_means
from ..partners import History
from ..probes.modules import dry_run, last_tensor, module_at, recorded


class RecursiveMix(WholeMixer):
    r"""RecursiveMix: what came out of the last step is made smaller and pasted into this one, and so on.

    `RecursiveMix: Mixed Learning with History <https://arxiv.org/abs/2203.06844>`_. A box of sides ``sqrt(r)``, ``r``
    uniform in ``scope``, has a uniform centre and is clipped at the border; the partner is squeezed into what is left
    of it. Its label is the mixed label that it had, so that a label may hold many classes.

    With ``consistency`` above 0 the paper's second part comes along, in :class:`mmmix.MixClassifier`: what the network
    sees in the box (the average of the last feature map over it, by RoI align, through a linear layer of its own) is
    drawn to what it made of the whole pasted image in the last step. To the losses it adds ``loss_history``, the mean
    of ``consistency * (1 - lam_i) * KL(last prediction || prediction of the box)``, ``1 - lam_i`` being the area of the
    box; it is 0 while nothing is remembered: in the first step, after a resume, and after images changed their shape.
    The linear layer is kept as ``learned.recursivemix``; a plain classifier ignores it in a checkpoint.

    Deviations from the authors' code: the first step has partners from its own batch; ``'bilinear'`` without aligned
    corners, where they default to the nearest pixel; the history goes on from one epoch to the next; a
    Kullback-Leibler divergence in place of a cross entropy, which has the same gradient, and is 0 where both agree.

    Raises:
        TypeError: If ``consistency`` is asked of partners without a memory, or of a model that does not train it.
        ValueError: If an argument is out of range, or the network has no such feature map.
        RuntimeError: If ``consistency`` is asked for without a :class:`mmmix.MixClassifier`.

    Example:
        >>> import torch
        >>> from mmmix import RecursiveMix
        >>> mixer = RecursiveMix()
        >>> for _ in range(3):
        ...     images, scores = mixer(torch.rand(4, 3, 8, 8), torch.eye(4))
        >>> scores.sum(1)
        tensor([1., 1., 1., 1.])
        >>> train_cfg = dict(augments=[dict(type='mmmix.RecursiveMix', consistency=0.5)])  # of a MixClassifier
    """

    alpha: float = settled(default=1.0)
    scope: tuple[float, float] = span(
        default=(0.0, 0.5), least=0, most=1, doc='The range of ``r``, the area of a box that is not clipped.'
    )
    consistency: float = number(
        default=0.0,
        least=0,
        like=0.5,
        doc="Weight of the consistency loss; the paper's is 0.5, on CIFAR-10 0.1. Above 0 it needs "
        ':class:`mmmix.MixClassifier`; 0 is no such loss.',
    )
    features: str = text(
        default='backbone',
        what='the path of a module',
        doc='Path of the module whose feature map ``(N, C, h, w)`` the loss looks at. The default is the last one in '
        'front of the pooling.',
    )
    shared_head: bool = flag(
        default=False,
        doc="Whether the box is classified by the network's own neck and head in place of a linear layer of its own.",
    )
    partners: Built[Partners] = again(default=None, stands_for=History)

    def __post_init__(self) -> None:
        """The loss needs partners that remember, and a model."""
        super().__post_init__()
        if self.consistency and not isinstance(self.partners, History):
            raise TypeError(
                f'RecursiveMix: `consistency` asks for the last predictions, which {type(self.partners).__name__} does '
                "not keep: use partners=dict(type='mmmix.History'), or consistency=0."
            )
        self.needs_model = self.needs_model or self.consistency > 0

    def fitted(self, box: Box, visible: Box) -> Box:
        """The partner is squeezed into what is visible."""
        return visible

    def sample_share(self, count: int, device: torch.device) -> Tensor:
        """``1 - r``."""
        low, high = self.scope
        return 1 - (low + (high - low) * torch.rand(count, device=device))

    def __call__(self, images: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
        """Mix a batch; with ``consistency`` a classifier must be there to train it."""
        if self.consistency:
            self.require_model()
        return super().__call__(images, scores)

    def bind(self, model: Any) -> None:
        """Look at ``model``; see :meth:`Part.bind`. With ``consistency`` it must train what a part learns."""
        if self.consistency and not hasattr(model, 'learned'):
            raise TypeError(
                f'RecursiveMix: {type(model).__name__} does not train `consistency`: use '
                "type='mmmix.MixClassifier', or consistency=0."
            )
        super().bind(model)

    @property
    def learns(self) -> str | None:
        """The name under which the classifier keeps the linear layer of the consistency loss."""
        return 'recursivemix' if self.consistency else None

    def check_model(self, model: Any) -> None:
        """Refuse a network without the feature map that is asked for."""
        if self.consistency:
            map_width(model, self.features)

    def build_learned(self, model: Any) -> nn.Module:
        """The linear layer. It draws its weights on the side: the network starts as it would without it."""
        if self.shared_head:
            return nn.Identity()
        with torch.random.fork_rng(devices=[]):
            return nn.Linear(map_width(model, self.features), model.num_classes)

    @contextmanager
    def listen(self, model: Any) -> Iterator[Callable[[Mix, Tensor], dict[str, Tensor]]]:
        """Listen to the feature map while the mixed images go through the network; see :meth:`Part.listen`."""
        with recorded(module_at(model, self.features)) as heard:

            def losses(mix: Mix, logits: Tensor) -> dict[str, Tensor]:
                # Of several in one recipe, each with its own memory, it is the one that mixed whose turn it is.
                mixer = model.mixer if isinstance(model.mixer, RecursiveMix) else None
                history = mixer.partners if mixer is not None and isinstance(mixer.partners, History) else None
                past = None if history is None else history.predictions_of_partners(mix)
                if history is not None:
                    history.remember_predictions(logits)
                if mixer is None or past is None:
                    # What is learned takes part in every step, or distributed training complains.
                    nothing = logits.new_zeros((), dtype=torch.float32)
                    return {
                        'loss_history': sum((0 * p.sum() for p in model.learned[self.learns].parameters()), nothing)
                    }
                seen = self._classify(model, box_features(feature_map(heard[-1]), mix.mask))
                return {'loss_history': mixer.consistency * history_loss(seen, past, mix.mask)}

            yield losses

    def _classify(self, model: Any, features: Tensor) -> Tensor:
        """The logits ``(N, K)`` of average features ``(N, C)``."""
        if not self.shared_head:
            linear = model.learned[self.learns]
            return linear(features.to(linear.weight.dtype))
        maps = (features[:, :, None, None],)
        return model.head(model.neck(maps) if model.with_neck else maps)


def feature_map(output: Any) -> Tensor:
    """The last feature map ``(N, C, h, w)`` in a module's output."""
    return last_tensor(output, lambda tensor: tensor.ndim == 4)


def map_width(model: Any, path: str, owner: str = 'RecursiveMix', loss: str = 'consistency') -> int:
    """How many channels the feature map at ``path`` has, found by a dry run that leaves no trace.

    Args:
        model (nn.Module): The classifier.
        path (str): Path of the module.
        owner (str): Who asks, for the error. Defaults to ``'RecursiveMix'``.
        loss (str): The argument that is the weight of the loss that looks at it, for the error. Defaults to
            ``'consistency'``.

    Raises:
        ValueError: If there is no such module, or if it gives no map.
    """
    module_at(model, path)
    try:
        return feature_map(dry_run(model, path)).shape[1]
    except ValueError:
        raise ValueError(
            f"{owner}: '{path}' gives no feature map (N, C, h, w) for `{loss}` to look at: name a module in front of "
            f'the pooling in `features`, or use {loss}=0.'
        ) from None


def box_features(maps: Tensor, mask: Tensor) -> Tensor:
    """The average of each feature map over the box that was pasted into its image, by RoI align.

    Args:
        maps (Tensor): ``(N, C, h, w)``.
        mask (Tensor): ``(N, 1, H, W)`` own shares, 0 in one box of each image, or in none.

    Returns:
        Tensor: ``(N, C)``, float32; zeros where there is no box.
    """
    (height, width), (rows, columns) = mask.shape[-2:], maps.shape[-2:]
    hole = mask[:, 0] < 1
    top, bottom = _extent(hole.any(2), rows / height)
    left, right = _extent(hole.any(1), columns / width)
    return box_means(maps, top, left, bottom, right)


def _extent(inside: Tensor, scale: float) -> tuple[Tensor, Tensor]:
    """Where the True in each row of ``(N, size)`` begins and where it ends, times ``scale``; 0 and 0 without any."""
    size = inside.shape[1]
    place = torch.arange(size, device=inside.device)
    first, beyond = torch.where(inside, place, size).amin(1), torch.where(inside, place + 1, 0).amax(1)
    return torch.minimum(first, beyond) * scale, beyond * scale


def history_loss(logits: Tensor, past: Tensor, mask: Tensor) -> Tensor:
    """How far predictions of boxes are from the last ones of the images that were pasted there, weighted by area.

    Args:
        logits (Tensor): ``(N, K)``, of the boxes.
        past (Tensor): ``(N, K)`` probabilities, without a graph.
        mask (Tensor): ``(N, 1, H, W)`` own shares.
    """
    with without_autocast(logits):
        divergence = F.kl_div(logits.float().log_softmax(1), past, reduction='none').sum(1)
        return ((1 - mask.mean((1, 2, 3))) * divergence).mean()
