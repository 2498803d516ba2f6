"""The classifier that gives mixers everything they may want."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from mmpretrain.models import ImageClassifier
from mmpretrain.models.utils.batch_augments import RandomBatchAugment
from mmpretrain.structures import DataSample
from torch import Tensor, nn

from ...guides.module_path import module_at
from ...mixers import Mix, Mixer
from ...part import Part, Partners
from ...partners import send
from ...registry import MODELS
from .clean_pass import CleanPass
from .recipe import Recipe
from .taps import tapped
from .targets import mix_accuracy, recorded_logits, scores_of, soft_samples


@dataclass
class Step:
    """What one training step knows: the clean batch, the pool its partners come from, and the clean pass if any ran."""

    images: Tensor
    scores: Tensor
    pool: Tensor
    pool_scores: Tensor
    data_samples: Sequence[Any] = ()
    mixer: Mixer | None = None
    clean: CleanPass | None = None


@MODELS.register_module()
class MixClassifier(ImageClassifier):
    """``ImageClassifier`` for mixers that look at the model, and for heads that understand mixes.

    Backbones, necks, heads and ``train_cfg`` are mmpretrain's; only the ``type`` changes. The batch is mixed inside
    :meth:`loss` in place of the data preprocessor, so that guides can ask for gradients, partners for the identity of
    the samples, and heads for the :class:`mmmix.Mix`. A head with ``loss_mix(feats, mix, clean)`` is given the whole
    story, any other one the soft ``gt_score`` as usual. What the network thinks of the clean batch is computed at most
    once a step and shared. The checkpoint is a plain classifier's.

    Besides the losses it logs ``mix_acc`` (share-weighted accuracy on the mixed batch, percent), ``lam`` (mean share of
    the own label) and ``mixed`` (fraction of samples whose label was mixed).

    Args:
        backbone (dict): The backbone.
        neck (dict, optional): The neck. Defaults to None.
        head (dict): The head; it must know its number of classes, or the data preprocessor must.
        pretrained (str, optional): Checkpoint to start from. Defaults to None.
        train_cfg (dict, optional): ``augments``, a mixer or a list of them, and ``probs``, their probabilities (the
            rest up to 1 is no mixing; None chooses evenly), as in mmpretrain. Defaults to None.
        data_preprocessor (dict, optional): As in ``ImageClassifier``. Defaults to None.
        init_cfg (dict, optional): Initialization. Defaults to None.

    Raises:
        ValueError: If the number of classes is unknown, if ``train_cfg`` has other keys, or if the head cannot take
            label shares.

    Note:
        ``SwitchRecipeHook`` and ``EMAHook`` work as with ``ImageClassifier``. The uncertainty layer of a SUMix head is
        the only thing in a checkpoint that a plain classifier does not know; it ignores it.

    Example:
        >>> import torch
        >>> from mmpretrain.structures import DataSample
        >>> from mmmix import MixClassifier
        >>> keep = dict(type='mmmix.SelectiveCut', guide=dict(type='mmmix.InputGradient'))
        >>> model = MixClassifier(
        ...     backbone=dict(type='mmpretrain.ResNet_CIFAR', depth=18),
        ...     neck=dict(type='mmpretrain.GlobalAveragePooling'),
        ...     head=dict(type='mmpretrain.LinearClsHead', num_classes=10, in_channels=512),
        ...     train_cfg=dict(augments=dict(type='mmmix.CutMix', keep=keep)),
        ... )
        >>> samples = [DataSample().set_gt_label(i) for i in range(4)]
        >>> sorted(model.loss(torch.rand(4, 3, 32, 32), samples))
        ['lam', 'loss', 'mix_acc', 'mixed']
    """

    def __init__(
        self,
        backbone: dict,
        neck: dict | None = None,
        head: dict | None = None,
        pretrained: str | None = None,
        train_cfg: dict | None = None,
        data_preprocessor: dict | nn.Module | None = None,
        init_cfg: dict | None = None,
    ):
        # mmpretrain's RandomBatchAugment appends to the `probs` it is given: hand it copies.
        train_cfg = deepcopy(train_cfg)
        unknown = set(train_cfg or ()) - {'augments', 'probs'}
        if unknown:
            raise ValueError(
                f'MixClassifier: `train_cfg` takes `augments` and `probs`, but got {sorted(unknown)}: remove them.'
            )
        if isinstance(data_preprocessor, dict) or data_preprocessor is None:
            data_preprocessor = deepcopy(data_preprocessor) or {}
            if train_cfg and data_preprocessor.get('batch_augments'):
                raise ValueError(
                    'MixClassifier: both `train_cfg` and `data_preprocessor.batch_augments` name mixers: keep one.'
                )
        super().__init__(backbone, neck, head, pretrained, train_cfg, data_preprocessor, init_cfg)
        if self.head is None:
            raise ValueError('MixClassifier mixes labels, so it needs a `head`.')
        self.num_classes: int = self._find_num_classes()
        self.hard_table: Any = None
        self.observed: tuple[Sequence[int], Tensor] | None = None
        #: Called with every mix of a training step, while it is set; hooks that look at mixed batches use it.
        self.on_mix: Callable[[Mix], None] | None = None
        self._step: Step | None = None
        self.learned = nn.ModuleDict()
        self._learners: dict[str, Part] = {}
        self._built = False
        self.data_preprocessor.register_forward_pre_hook(self._take_over)
        self._take_over()
        self._built = True

    # ------------------------------------------------------------------------------------------------------- the mixers

    @property
    def recipe(self) -> Recipe | None:
        """The mixers in force, which ``SwitchRecipeHook`` may exchange during training."""
        self._take_over()
        return getattr(self.data_preprocessor, 'batch_augments', None)

    def mixers(self) -> Iterator[Mixer]:
        """All mixers in force."""
        recipe = self.recipe
        if recipe is not None:
            yield from recipe.mixers()

    def _take_over(self, *_: Any) -> None:
        """Turn batch augmentations that someone gave the preprocessor into a recipe of ours."""
        given = getattr(self.data_preprocessor, 'batch_augments', None)
        if given is None or isinstance(given, Recipe):
            return
        if isinstance(given, RandomBatchAugment):
            recipe = Recipe(given.augments, given.probs)
        elif callable(given):
            recipe = Recipe([given])
        else:
            raise TypeError(
                f'MixClassifier cannot run the batch augmentation {given!r}: use RandomBatchAugment or a mixer.'
            )
        self._check_head(recipe)
        for mixer in recipe.mixers():
            mixer.bind(self)
            for part in mixer.parts():
                part.check_model(self)
                if part.learns is not None:
                    self._enrol(part)
        for mixer in recipe.mixers():
            for at in filter(None, mixer.at):
                module_at(self, at)
                if self._learners:
                    raise ValueError(
                        f"{type(mixer).__name__} mixes inside the network (at='{at}'), where "
                        f'{type(next(iter(self._learners.values()))).__name__} could not tell what it hears: use one '
                        'of them.'
                    )
        self.data_preprocessor.batch_augments = recipe

    def _enrol(self, part: Part) -> None:
        """Take what a part learns into the model, while the optimizer can still find it."""
        if part.learns not in self.learned:
            if self._built:
                raise ValueError(
                    f'{part!r} learns beside the network, so the optimizer must know it from the beginning: name it '
                    'in the `train_cfg` that MixClassifier is built with.'
                )
            self.learned[part.learns] = part.build_learned(self)
        self._learners[part.learns] = part

    def _find_num_classes(self) -> int:
        known = getattr(self.head, 'num_classes', None) or getattr(self.data_preprocessor, 'num_classes', None)
        if known is None:
            raise ValueError(
                'MixClassifier must know the number of classes: set `num_classes` in `head` or in `data_preprocessor`.'
            )
        if getattr(self.data_preprocessor, 'num_classes', known) is None:
            self.data_preprocessor.num_classes = known
        return int(known)

    def _check_head(self, recipe: Recipe) -> None:
        name, loss = type(self.head).__name__, getattr(self.head, 'loss_module', None)
        if getattr(self.head, 'cal_acc', False):
            raise ValueError(
                f'{name}: `cal_acc=True` cannot rate mixed labels: remove it, MixClassifier logs `mix_acc`.'
            )
        if name in ('MultiTaskHead', 'ArcFaceClsHead') or type(loss).__name__ == 'SeesawLoss':
            raise ValueError(
                f'{name} with {type(loss).__name__} needs whole class labels and cannot take the label shares of '
                'a mix: use a head with a softmax or sigmoid cross entropy, e.g. LinearClsHead.'
            )
        foreign = [a for a in recipe.augments if a is not None and not isinstance(a, Mixer)]
        if foreign and hasattr(self.head, 'loss_mix'):
            raise ValueError(
                f'{name} must know how images were mixed, which {type(foreign[0]).__name__} of '
                f"{type(foreign[0]).__module__.split('.')[0]} does not tell: use 'mmmix.{type(foreign[0]).__name__}'."
            )

    # ------------------------------------------------------------------------------------------------- one train step

    def loss(self, inputs: Tensor, data_samples: Sequence[DataSample]) -> dict[str, Tensor]:
        """Mix a batch and calculate the losses.

        Args:
            inputs (Tensor): ``(N, C, H, W)`` preprocessed clean images.
            data_samples (Sequence[DataSample]): Their annotations; ``gt_score``, or else ``gt_label``, is the label.

        Returns:
            dict[str, Tensor]: Losses, and scalars for the log.

        Raises:
            TypeError: If the samples are of several tasks.
            ValueError: If labels are missing, ambiguous or of a wrong width.
        """
        scores = scores_of(data_samples, self.num_classes, inputs.device)
        recipe = self.recipe if self.training else None
        augment = recipe.choose() if recipe is not None else None
        self._step = Step(inputs, scores, inputs, scores, data_samples)
        try:
            return self._loss(inputs, scores, augment, data_samples)
        finally:
            self._step = None

    def _loss(
        self, inputs: Tensor, scores: Tensor, augment: Callable | None, data_samples: Sequence[DataSample]
    ) -> dict[str, Tensor]:
        assert self._step is not None
        if augment is not None and not isinstance(augment, Mixer):
            # mmpretrain's CutMix writes into its input, and others still want the clean batch.
            images, scores = augment(inputs.clone(), scores)
            augment, foreign = None, True
        else:
            images, foreign = inputs, False
        self._step.mixer = augment
        at = augment.draw_depth() if augment is not None else ''
        scene = None if augment is None or not at else augment.meet(inputs, scores)
        if scene is not None and augment is not None:
            augment.ask_guides(scene)
        mix = Mix.unmixed(images, scores) if augment is None or at else augment.mix(inputs, scores)
        policy = None if augment is None else augment.labels
        takes_mix = hasattr(self.head, 'loss_mix')
        clean = self.clean_pass() if takes_mix and (mix.mixed or scene is not None) else None
        if clean is not None:
            # Now, and not when the head asks: the logits heard below must be those of the mixed images, and a compiled
            # network forbids another pass through its batch statistics before it went backward.
            clean.outputs  # noqa: B018
        with ExitStack() as stack:
            relabel = None
            if scene is not None and augment is not None:
                told = stack.enter_context(tapped(self, augment, scene, at))
            if policy is not None and policy.after_forward:
                relabel = stack.enter_context(policy.watch(self))
            listeners = self._listen(stack)
            # A compiled network would not notice hooks that come and go.
            heard = scene is not None or relabel is not None or listeners
            run = torch.compiler.disable(self.extract_feat) if heard else self.extract_feat
            feats = run(mix.images if scene is None else scene.pool)
        if scene is not None:
            mix = told[0]
        if relabel is not None and mix.mixed:
            with torch.no_grad():
                mix = relabel(mix, lambda: self.head(feats))
        if self.on_mix is not None and not foreign:
            self.on_mix(mix)
        with recorded_logits(self.head) as outputs:
            if takes_mix:
                losses = self.head.loss_mix(feats, mix, clean if mix.mixed else None)
            else:
                losses = self.head.loss(feats, soft_samples(mix.scores))
        logits = outputs.pop()
        for losses_of in listeners:
            losses = {**losses, **losses_of(mix, logits)}
        losses['mix_acc'] = mix_accuracy(logits, mix.scores)
        if foreign:
            return losses
        self._observe(mix, logits, data_samples)
        return {**losses, 'lam': mix.lam.mean(), 'mixed': (mix.lam < 1).float().mean()}

    def _listen(self, stack: ExitStack) -> list[Callable[[Mix, Tensor], dict[str, Tensor]]]:
        """Let all parts that learn beside the network listen to the training forward pass."""
        return [stack.enter_context(part.listen(self)) for part in self._learners.values()] if self.training else []

    @property
    def mixer(self) -> Mixer | None:
        """The mixer of this step, None without one and between steps; asked by parts with losses of their own."""
        return None if self._step is None else self._step.mixer

    # ------------------------------------------------------------------------------------------------- the clean view

    def open_pool(self, pool: Tensor, pool_scores: Tensor) -> None:
        """Called by a mixer that drew its partners: the clean pass may have to cover more than the batch."""
        if self._step is not None:
            self._step.pool, self._step.pool_scores = pool, pool_scores

    def clean_pass(self, of_pool: bool = False) -> CleanPass:
        """The network's view of the clean batch, or of the whole pool where the head or the caller wants it.

        Args:
            of_pool (bool): Whether the caller wants all rows of the pool. Defaults to False.
        """
        step = self._step
        if step is None:
            raise RuntimeError('There is a clean pass only inside MixClassifier.loss().')
        mode = getattr(self.head, 'clean_pass', None)
        if step.clean is None or (of_pool and len(step.clean.images) < len(step.pool)):
            rows = (step.pool, step.pool_scores) if of_pool or mode is not None else (step.images, step.scores)
            step.clean = CleanPass(self, *rows, mode=mode or 'detached')
        return step.clean

    def clean_pass_of(self, images: Tensor) -> CleanPass | None:
        """The step's clean pass if these images are its batch or its pool, else None; asked by guides."""
        step = self._step
        if step is None or (images is not step.images and images is not step.pool):
            return None
        return self.clean_pass(of_pool=images is step.pool and images is not step.images)

    def clean_views(self, images: Tensor) -> Tensor:
        """The clean views that came along with augmented images, preprocessed as these were; asked by ``KeepPaste``.

        Args:
            images (Tensor): ``(N, C, H, W)`` the augmented batch.

        Returns:
            Tensor: Of the same shape and dtype.

        Raises:
            ValueError: If a sample has no clean view, or one of another shape.
        """
        if self._step is None:
            raise RuntimeError('There are clean views only inside MixClassifier.loss().')
        views = [sample.get('clean_view') for sample in self._step.data_samples]
        if any(view is None for view in views):
            raise ValueError(
                "A sample has no `clean_view` to paste from: augment with mmmix.KeepAugment(guide='model') and pack "
                "with dict(type='PackInputs', algorithm_keys=('clean_view',))."
            )
        alike = all(view.shape == views[0].shape for view in views)
        inputs = send(torch.stack(views), images.device) if alike else views
        clean = self.data_preprocessor(dict(inputs=inputs), training=False)['inputs']
        if clean.shape != images.shape:
            raise ValueError(
                f'The clean views have the shape {tuple(clean.shape)} but the augmented images {tuple(images.shape)}: '
                'put transforms that resize or crop in front of KeepAugment.'
            )
        return clean.to(images.dtype)

    # ------------------------------------------------------------------------------------------------- the hard samples

    def _observe(self, mix: Mix, logits: Tensor, data_samples: Sequence[DataSample]) -> None:
        """Hand clean predictions to the hard-sample memory and the clean batch to partners that remember."""
        step = self._step
        assert step is not None
        parts = [part for mixer in self.mixers() for part in mixer.parts()]
        # Several mixers may share one memory, which then sees each batch once.
        remembering = {id(part): part for part in parts if isinstance(part, Partners) and part.needs_model}
        if self.hard_table is None and not remembering:
            return
        sample_idx = [sample.get('sample_idx') for sample in data_samples]
        if None in sample_idx:
            raise ValueError(
                "The hard-sample memory needs `sample_idx` in every sample: keep it in PackInputs' `meta_keys`, or add "
                "dict(type='mmmix.HardSampleHook') to `custom_hooks`, which writes it."
            )
        if self.hard_table is not None:
            self.observed = sample_idx, outcomes(mix, logits.detach(), step)
        for partners in remembering.values():
            partners.observe(step.images, step.scores, sample_idx)


def outcomes(mix: Mix, logits: Tensor, step: Step) -> Tensor:
    """What the network made of each clean image: 0 a hit, 1 a miss, -1 not seen unmixed, as ``(N,)`` int8."""
    labels = step.scores.argmax(1)
    if step.clean is not None and step.clean.ran:
        return (step.clean.logits[: len(labels)].detach().argmax(1) != labels).to(torch.int8)
    missed = (logits.argmax(1) != labels).to(torch.int8)
    return missed if not mix.mixed else torch.where(mix.mask.flatten(1).amin(1) == 1, missed, -1)
