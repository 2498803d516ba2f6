"""One training step: the clean batch, how it is mixed, and the view of the clean images that everybody shares."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from ...core import Mix, Mixer, Partners
from ...core.scene import Scene
from ...ops.devices import eager, send
from .clean_pass import CleanPass
from .freshness import mark_mixed
from .remembered import Remembered
from .targets import takes_views


class Step:
    """What one training step knows: the clean batch, the pool its partners come from, and the clean pass if any ran.

    Args:
        model (MixClassifier): The classifier.
        images (Tensor): ``(N, C, H, W)`` clean images.
        scores (Tensor): ``(N, K)`` their labels.
        data_samples (Sequence[DataSample]): Their annotations.
        augment (Callable, optional): A mixer, a batch augmentation of mmpretrain's, or None for nothing.
        fresh (bool): Whether the images were made for this step, so that they may be written over. Defaults to False.
    """

    def __init__(
        self,
        model: Any,
        images: Tensor,
        scores: Tensor,
        data_samples: Sequence[Any],
        augment: Callable | None = None,
        fresh: bool = False,
    ):
        self.model = model
        self.images = images
        self.scores = scores
        self.data_samples = data_samples
        self.augment = augment
        self.fresh = fresh
        #: Where the partners come from: the batch, until a mixer opens another pool.
        self.pool = images
        self.pool_scores = scores
        #: At which depth the mixer mixes, and who meets whom if that is inside the network.
        self.at = ''
        self.scene: Scene | None = None
        self.clean: CleanPass | None = None

    @property
    def mixer(self) -> Mixer | None:
        """The mixer of the step, None without one of ours."""
        return self.augment if isinstance(self.augment, Mixer) else None

    @property
    def foreign(self) -> bool:
        """Whether an augmentation of mmpretrain's mixes, which does not tell how."""
        return self.augment is not None and self.mixer is None

    def mix(self) -> Mix:
        """Mix the batch; where the network is to mix, settle who meets whom and leave the batch as it came."""
        mixer = self.mixer
        if self.augment is None:
            return Mix.unmixed(self.images, self.scores)
        if mixer is None:
            # mmpretrain's CutMix writes into its input, and others still want the clean batch.
            return Mix.unmixed(*self.augment(self.images.clone(), self.scores))
        self.at = draw_depth(mixer)
        if not self.at and (not self.fresh or self._wanted(mixer)):
            return mixer.mix(self.images, self.scores)
        scene = mixer.meet(self.images, self.scores)
        if not self.at:
            if scene is not None:
                scene.overwrite = True
                mark_mixed(self.images)
            return mixer.mix_met(scene, self.images, self.scores)
        self.scene = scene
        if scene is not None:
            mixer.ask_guides(scene)
        return Mix.unmixed(self.images, self.scores)

    def _wanted(self, mixer: Mixer) -> bool:
        """Whether anybody may look at the clean images once they are mixed."""
        model = self.model
        return (
            hasattr(model.head, 'loss_mix')
            or model.on_mix is not None
            or mixer.labels is not None
            or bool(model.learned.learners)
            or bool(partners_that_remember(model.mixers()))
            or type(mixer.partners).remember is not Partners.remember
            or any(part.needs_model for part in mixer.parts())
        )

    def going_in(self, mix: Mix) -> Tensor:
        """The images that go into the network: the mixed ones with their views, or all to be mixed on the way."""
        if self.scene is not None:
            return self.scene.pool
        views = self.views()
        return mix.images if views is None else torch.cat([mix.images, views])

    def views(self) -> Tensor | None:
        """Further views of the images, preprocessed, ``(V * N, C, H, W)``, view after view, if the loss compares them.

        Raises:
            ValueError: If a sample has none, or of another shape.
        """
        if not self.model.training or not takes_views(self.model.head):
            return None
        sent = self._along('views', "compare: add dict(type='mmmix.AugMix')")
        if any(each.ndim != 4 for each in sent) or len({each.shape for each in sent}) > 1:
            raise ValueError(
                f'`views` must have the shape (V, C, H, W), alike in all samples, but got {tuple(sent[0].shape)}: use '
                "dict(type='mmmix.AugMix') behind transforms that resize or crop."
            )
        return self._preprocessed(torch.stack(sent, 1).flatten(0, 1), self.images, 'AugMix')

    def clean_pass(self, of_pool: bool = False) -> CleanPass:
        """The clean pass of the batch, or of the pool where the head, the mixer or the caller wants it."""
        mode, scale = self._clean_look()
        if self.clean is None or (of_pool and len(self.clean.images) < len(self.pool)):
            rows = (self.pool, self.pool_scores) if of_pool or mode is not None else (self.images, self.scores)
            self.clean = CleanPass(self.model, *rows, mode='train' if mode == 'train' else 'detached', scale=scale)
        return self.clean

    def _clean_look(self) -> tuple[str | None, float]:
        """The mode of the clean pass that the head wants, or else the mixer, None for any; and at which resolution."""
        head = self.model.head
        mode = getattr(head, 'clean_pass', None) or getattr(self.mixer, 'clean_pass', None)
        if mode == 'memory':
            return getattr(self.mixer, 'clean_pass', None), 1.0
        return mode, head.clean_scale if mode == 'lowres' else 1.0

    def clean_pass_of(self, images: Tensor, scale: float = 1.0) -> CleanPass | None:
        """The clean pass if these images are the batch or the pool, and it looks at them at this scale, else None."""
        if scale != self._clean_look()[1] or (images is not self.images and images is not self.pool):
            return None
        return self.clean_pass(of_pool=images is not self.images)

    def clean_pass_for_head(self, mix: Mix) -> CleanPass | Remembered | None:
        """The clean pass, already run, or what is remembered in its place, if the head wants it beside a mixed batch.

        It is run now, and not when the head asks: the logits heard by then must be those of the mixed images, and a
        compiled network forbids another pass through its batch statistics before it went backward.
        """
        if not hasattr(self.model.head, 'loss_mix') or not (mix.mixed or self.scene is not None):
            return None
        if getattr(self.model.head, 'clean_pass', None) == 'memory':
            return Remembered.of(self)
        clean = self.clean_pass()
        clean.run()
        return clean

    def sample_idx(self) -> list[int]:
        """Which samples of the training set these are.

        Raises:
            ValueError: If a sample does not say.
        """
        found = [sample.get('sample_idx') for sample in self.data_samples]
        if None in found:
            raise ValueError(
                "The memories of samples need `sample_idx` in every sample: keep it in PackInputs' `meta_keys`, or add "
                "dict(type='mmmix.HardSampleHook') or 'mmmix.PredictionMemoryHook' to `custom_hooks`, which write it."
            )
        return found

    def clean_views(self, images: Tensor) -> Tensor:
        """The clean views that came along with augmented images; see ``MixClassifier``."""
        views = self._along('clean_view', "paste from: augment with mmmix.KeepAugment(guide='model')")
        alike = all(view.shape == views[0].shape for view in views)
        return self._preprocessed(torch.stack(views) if alike else views, images, 'KeepAugment')

    def _along(self, key: str, purpose: str) -> list[Tensor]:
        """What came along with every sample under a key of the pipeline."""
        sent = [sample.get(key) for sample in self.data_samples]
        if any(each is None for each in sent):
            raise ValueError(
                f"A sample has no `{key}` to {purpose} and pack with dict(type='PackInputs', "
                f"algorithm_keys=('{key}',))."
            )
        return sent

    def _preprocessed(self, inputs: Tensor | list[Tensor], like: Tensor, maker: str) -> Tensor:
        """Images from the pipeline as the classifier's preprocessor makes them; they must fit those of the batch."""
        inputs = send(inputs, like.device) if isinstance(inputs, Tensor) else inputs
        found = self.model.data_preprocessor(dict(inputs=inputs), training=False)['inputs']
        if found.shape[1:] != like.shape[1:]:
            raise ValueError(
                f'The views that came along have the shape {tuple(found.shape)} but the images {tuple(like.shape)}: '
                f'put transforms that resize or crop in front of {maker}.'
            )
        return found.to(like.dtype)


@eager
def draw_depth(mixer: Mixer) -> str:
    """One of the depths at which a mixer may mix, drawn on the host."""
    at = mixer.at
    return at[0] if len(at) == 1 else at[int(torch.randint(len(at), (), generator=mixer.coins))]


def partners_that_remember(mixers: Iterable[Mixer]) -> list[Partners]:
    """Partners that look at the model; several mixers may share one, which then sees each batch once."""
    parts = [part for mixer in mixers for part in mixer.parts()]
    return list({id(part): part for part in parts if isinstance(part, Partners) and part.needs_model}.values())
