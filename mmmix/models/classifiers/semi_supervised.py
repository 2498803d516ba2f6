"""A classifier that learns from labelled and unlabelled images at once."""

from collections.abc import Sequence
from typing import Any

import torch
from mmpretrain.registry import BATCH_AUGMENTS
from mmpretrain.structures import DataSample
from torch import Tensor, nn

from ...core import Mixer, check
from ...core.fields import choice, number
from ...ops.devices import send
from ...registry import MODELS
from ..losses.semi_supervised import consistency, pseudo_labels
from .mix_classifier import MixClassifier


@MODELS.register_module()
class SemiSupervisedClassifier(MixClassifier):
    """UDA and FixMatch: labelled images are learned, and unlabelled ones must look alike in two views.

    `Unsupervised Data Augmentation for Consistency Training <https://arxiv.org/abs/1904.12848>`_ with ``form='soft'``,
    `FixMatch <https://arxiv.org/abs/2001.07685>`_ with ``form='hard'``. A batch holds both, see
    :class:`mmmix.SemiSupervised` and :class:`mmmix.LabelledAndUnlabelled`. The labelled part goes through
    :class:`MixClassifier` with its mixers and its head. Of the unlabelled part the network labels the weak view,
    without a gradient; where it is sure enough, what it makes of the strong view is drawn there. To the losses comes
    ``loss_unlabelled``, to the log ``sure``, the fraction of unlabelled images that count.

    The strong views may be mixed too, their labels with them: an image that does not count then adds nothing to the
    mixed label. :class:`mmmix.KeepPaste` there pastes a box from the clean view, which :class:`mmmix.KeepRandAugment`
    sends along; with a guide of ``target='max'`` it is by the largest logit, as KeepAugment has it without labels.

    Deviation from the authors' code: labelled images, weak and strong views go through the network one after the other,
    each with its own batch statistics; theirs go together.

    Args:
        form (str): ``'soft'`` or ``'hard'`` labels. Defaults to ``'soft'``.
        temperature (float): Of soft labels. Defaults to 0.4, UDA's on CIFAR-10.
        threshold (float): From which probability on an image counts. Defaults to 0.8, UDA's; FixMatch's is 0.95.
        weight (float): Weight of the loss. Defaults to 1.0.
        unlabelled_augments (Sequence[dict | Mixer]): What is done to the strong views, in this order. Defaults to ().
        **kwargs: As :class:`MixClassifier` takes them.

    Raises:
        TypeError: If an augment is no mixer.
        ValueError: If an argument is out of range, a mixer must know the samples or learns, or, in a step, if no label
            or no strong view is there.

    Example:
        >>> import torch
        >>> from mmpretrain.structures import DataSample
        >>> from mmmix import SemiSupervisedClassifier
        >>> model = SemiSupervisedClassifier(
        ...     backbone=dict(type='mmpretrain.ResNet_CIFAR', depth=18),
        ...     neck=dict(type='mmpretrain.GlobalAveragePooling'),
        ...     head=dict(type='mmpretrain.LinearClsHead', num_classes=10, in_channels=512),
        ...     unlabelled_augments=[dict(type='mmmix.CutMix')],
        ... )
        >>> samples = [DataSample().set_gt_label(i) for i in range(2)]
        >>> for _ in range(4):
        ...     sample = DataSample(metainfo=dict(unlabelled=True)).set_gt_label(-1)
        ...     sample.set_field(torch.zeros(3, 32, 32, dtype=torch.uint8), 'strong_view')
        ...     samples.append(sample)
        >>> sorted(model.loss(torch.rand(6, 3, 32, 32), samples))
        ['lam', 'loss', 'loss_unlabelled', 'mix_acc', 'mixed', 'sure']
    """

    def __init__(
        self,
        *args: Any,
        form: str = 'soft',
        temperature: float = 0.4,
        threshold: float = 0.8,
        weight: float = 1.0,
        unlabelled_augments: Sequence[dict | Mixer] = (),
        **kwargs: Any,
    ):
        super().__init__(*args, **kwargs)
        self.form, self.temperature, self.threshold, self.weight = check(
            self,
            form=(form, choice('soft', 'hard', default='soft')),
            temperature=(temperature, number(default=0.4, above=0)),
            threshold=(threshold, number(default=0.8, least=0, most=1)),
            weight=(weight, number(default=1.0, least=0)),
        )
        self.unlabelled_augments = [self._built(augment) for augment in unlabelled_augments]
        self._views: Tensor | None = None
        # Labels are made one-hot in `loss`; the preprocessor would try it with those that are not there.
        self.data_preprocessor.to_onehot = False

    def _built(self, augment: Any) -> Mixer:
        """A mixer of strong views, which looks at this classifier."""
        mixer: Any = BATCH_AUGMENTS.build(dict(augment)) if isinstance(augment, dict) else augment
        if not isinstance(mixer, Mixer):
            raise TypeError(
                f'SemiSupervisedClassifier: `unlabelled_augments` are mixers of mmmix, but got {augment!r}.'
            )
        name = type(mixer).__name__
        if any(part.learns for part in mixer.parts()) or mixer.partners.needs_model or any(mixer.at):
            raise ValueError(
                f'SemiSupervisedClassifier: {name} must know labelled samples, learns beside the network or mixes '
                'features: take one that mixes images, such as CutMix, or name it in `train_cfg` for the labelled part.'
            )
        mixer.bind(self)
        return mixer

    def loss(self, inputs: Tensor, data_samples: Sequence[DataSample]) -> dict[str, Tensor]:
        """Losses of both parts of a batch.

        Args:
            inputs (Tensor): ``(N, C, H, W)`` preprocessed images, of unlabelled ones the weak view.
            data_samples (Sequence[DataSample]): Their annotations; those of unlabelled ones say ``unlabelled=True`` and
                have the ``strong_view``, as it came out of the pipeline.

        Returns:
            dict[str, Tensor]: Losses, and scalars for the log.
        """
        apart: tuple[list[int], list[int]] = ([], [])
        for i, sample in enumerate(data_samples):
            apart[bool(sample.get('unlabelled', False))].append(i)
        labelled, unlabelled = apart
        if not unlabelled:
            return super().loss(inputs, data_samples)
        if not labelled:
            raise ValueError(
                'SemiSupervisedClassifier: a batch has no labelled image: draw batches with the sampler '
                "dict(type='mmmix.LabelledAndUnlabelled')."
            )
        rows = [inputs.index_select(0, send(torch.tensor(part), inputs.device)) for part in apart]
        losses = super().loss(rows[0], [data_samples[i] for i in labelled])
        return {**losses, **self._unlabelled_losses(rows[1], [data_samples[i] for i in unlabelled])}

    def _unlabelled_losses(self, weak: Tensor, samples: Sequence[DataSample]) -> dict[str, Tensor]:
        """The loss of unlabelled images, and how many of them count."""
        strong = self._sent_along('strong_view', samples, weak)
        if strong is None:
            raise ValueError(
                'SemiSupervisedClassifier: an unlabelled sample has no `strong_view`: put mmmix.WeakStrong into '
                "`unlabelled_pipeline` and pack with dict(type='PackInputs', algorithm_keys=('strong_view',))."
            )
        with torch.no_grad():
            labels, sure = pseudo_labels(self._predict(weak), self.form, self.temperature, self.threshold)
        labels = labels * sure[:, None]
        if self.training and self.unlabelled_augments:
            self._views = self._sent_along('clean_view', samples, weak)
            try:
                for augment in self.unlabelled_augments:
                    strong, labels = augment(strong, labels)
            finally:
                self._views = None
        loss = self.weight * consistency(self._predict(strong), labels)
        return dict(loss_unlabelled=loss, sure=sure.mean())

    def clean_views(self, images: Tensor) -> Tensor:
        """The clean views of labelled or unlabelled images, whichever are augmented now; asked by ``KeepPaste``."""
        return super().clean_views(images) if self._views is None else self._views

    def _predict(self, images: Tensor) -> Tensor:
        """Logits ``(N, K)``."""
        found = self.head(self.extract_feat(images))
        return found if isinstance(found, Tensor) else found[-1]

    def _sent_along(self, key: str, samples: Sequence[DataSample], like: Tensor) -> Tensor | None:
        """Views that came along, preprocessed as the images; None if a sample has none."""
        views = [sample.get(key) for sample in samples]
        if any(view is None for view in views):
            return None
        preprocess: nn.Module = self.data_preprocessor
        # Views of several sizes would be padded.
        shape = next((view.shape for view in views if view.shape != views[0].shape), like.shape[1:])
        found = preprocess(dict(inputs=[send(view, like.device) for view in views]), training=False)['inputs']
        if found.shape != like.shape or shape != like.shape[1:]:
            raise ValueError(
                f'SemiSupervisedClassifier: a `{key}` of unlabelled images has the shape {tuple(shape)} but the weak '
                f'view {tuple(like.shape[1:])}: let both end with the same size.'
            )
        return found.to(like.dtype)
