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
        scene = mixer.meet(self.images, self.scores)
        if not self.at:
            if scene is not None and self.fresh and not self._wanted(mixer):
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
        """The images that go into the network: the mixed ones, or all that are to be mixed on the way."""
        return mix.images if self.scene is None else self.scene.pool

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
        views = [sample.get('clean_view') for sample in self.data_samples]
        if any(view is None for view in views):
            raise ValueError(
                "A sample has no `clean_view` to paste from: augment with mmmix.KeepAugment(guide='model') and pack "
                "with dict(type='PackInputs', algorithm_keys=('clean_view',))."
            )
        alike = all(view.shape == views[0].shape for view in views)
        inputs = send(torch.stack(views), images.device) if alike else views
        clean = self.model.data_preprocessor(dict(inputs=inputs), training=False)['inputs']
        if clean.shape != images.shape:
            raise ValueError(
                f'The clean views have the shape {tuple(clean.shape)} but the augmented images {tuple(images.shape)}: '
                'put transforms that resize or crop in front of KeepAugment.'
            )
        return clean.to(images.dtype)


@eager
def draw_depth(mixer: Mixer) -> str:
    """One of the depths at which a mixer may mix, drawn on the host."""
    at = mixer.at
    return at[0] if len(at) == 1 else at[int(torch.randint(len(at), (), generator=mixer.coins))]


def partners_that_remember(mixers: Iterable[Mixer]) -> list[Partners]:
    """Partners that look at the model; several mixers may share one, which then sees each batch once."""
    parts = [part for mixer in mixers for part in mixer.parts()]
    return list({id(part): part for part in parts if isinstance(part, Partners) and part.needs_model}.values())
