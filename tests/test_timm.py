"""Beside timm: the same draw makes the same pixels and the same labels, in every mode."""

import inspect
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from page_tables import rows_of
from torch import Tensor

from mmmix import Flip, TimmMixup

N, C, HEIGHT, WIDTH, CLASSES = 8, 3, 24, 20, 10


class Told(TimmMixup):
    """timm's ratios and boxes in place of ours."""

    def tell(self, shares: np.ndarray, cut: np.ndarray, boxes: list[tuple[int, ...]]) -> None:
        """What timm drew: for each image, or for each first one of a pair; a box where it has one."""
        waiting = iter(boxes)
        rows = [next(waiting) if c and s < 1 else (0, 0, 0, 0) for s, c in zip(shares, cut, strict=True)]
        self.shares, self.cut, self.rows = torch.tensor(shares).float(), torch.tensor(cut), torch.tensor(rows)

    def sample_share(self, count: int, device: torch.device) -> Tensor:
        """Those of timm; what is beyond them is never used."""
        self._cut = padded(self.cut, count)
        return padded(self.shares, count)

    def chance(self) -> float:
        """timm's coin was tossed."""
        return 1.0

    def box_size(self, share: Any, height: int, width: int) -> tuple:
        """The sides of timm's boxes."""
        if not isinstance(share, Tensor):
            return tuple((self.rows[0, 1::2] - self.rows[0, ::2]).tolist())
        rows = padded(self.rows, len(share))
        return rows[:, 1] - rows[:, 0], rows[:, 3] - rows[:, 2]

    def place(self, heights: Any, widths: Any, height: int, width: int) -> tuple:
        """Where timm's boxes are."""
        if not isinstance(heights, Tensor):
            return tuple(self.rows[0].tolist())
        return tuple(padded(self.rows, len(heights)).unbind(1))


def padded(values: Tensor, count: int) -> Tensor:
    """The values, and as many of the last one as it takes."""
    return torch.cat([values, values[-1:].expand(count - len(values), *values.shape[1:])])


def recorded(theirs: Any, patch: pytest.MonkeyPatch, module: Any) -> tuple[list, list]:
    """Lists that timm's ratios, and its boxes as ``(top, bottom, left, right)``, go into."""
    ratios: list = []
    boxes: list = []
    for name in ('_params_per_elem', '_params_per_batch'):
        draw = getattr(theirs, name)

        def draws(*args: Any, draw: Callable = draw) -> Any:
            found = draw(*args)
            ratios.append(tuple(np.array(each, ndmin=1) for each in found))  # copies: timm corrects them in place
            return found

        patch.setattr(theirs, name, draws)
    place = module.cutmix_bbox_and_lam

    def places(*args: Any, **kwargs: Any) -> Any:
        box, share = place(*args, **kwargs)
        boxes.append(tuple(int(side) for side in box))
        return box, share

    patch.setattr(module, 'cutmix_bbox_and_lam', places)
    return ratios, boxes


@pytest.mark.parametrize('mode', ['batch', 'pair', 'elem', 'half'])
@pytest.mark.parametrize(
    'args',
    [
        dict(),
        dict(mixup_alpha=0.0, cutmix_alpha=1.0),
        dict(mixup_alpha=0.8, cutmix_alpha=1.0, prob=0.7, switch_prob=0.6),
        dict(mixup_alpha=0.8, cutmix_alpha=1.0, correct_lam=False, label_smoothing=0.0),
        dict(cutmix_minmax=(0.3, 0.8), switch_prob=0.8, correct_lam=False),
    ],
    ids=['mixup', 'cutmix', 'both', 'uncorrected', 'minmax'],
)
def test_timm(mode: str, args: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip('timm', reason='timm is in the extra `bench`')
    from timm.data import mixup as module

    images, labels = torch.randint(256, (N, C, HEIGHT, WIDTH)).float(), torch.randint(CLASSES, (N,))
    for seed in range(12):
        np.random.seed(seed)  # noqa: NPY002 - timm draws from it
        kind = module.FastCollateMixup if mode == 'half' else module.Mixup
        theirs = kind(mode=mode, num_classes=CLASSES, **args)
        ours = Told(mode=mode, num_classes=CLASSES, **args)
        with monkeypatch.context() as patch:
            ratios, boxes = recorded(theirs, patch, module)
            if mode == 'half':
                samples = [
                    (image.numpy().astype(np.uint8), int(label)) for image, label in zip(images, labels, strict=True)
                ]
                expected = theirs(samples)
            else:
                expected = theirs(images.clone(), labels)
        ((shares, cut),) = ratios
        ours.tell(shares, cut, boxes)
        if mode == 'batch' and shares[0] == 1:
            continue  # what is not mixed at all is another test
        found = ours(images, labels)
        # The whole numbers of a collated batch are rounded.
        torch.testing.assert_close(found[0], expected[0].float(), rtol=0, atol=0.51 if mode == 'half' else 1e-4)
        torch.testing.assert_close(found[1], expected[1].float(), rtol=0, atol=2e-6)


def test_arguments_of_timm() -> None:
    timm = pytest.importorskip('timm.data', reason='timm is in the extra `bench`')
    theirs, ours = (inspect.signature(kind).parameters for kind in (timm.Mixup, TimmMixup))
    names = [name for name in theirs if name != 'multi_label']
    assert list(ours)[: len(names)] == names
    assert all(ours[name].default == theirs[name].default for name in names)


@pytest.mark.parametrize('mode', ['batch', 'pair', 'elem'])
def test_pairs_and_coins(mode: str) -> None:
    """Who meets whom, and that both of a pair have one coin, ratio and box; in the other modes they do not."""
    mixer = TimmMixup(mixup_alpha=1.0, cutmix_alpha=1.0, mode=mode, prob=0.8, label_smoothing=0.0, num_classes=N)
    mutual, cuts = [], []
    for _ in range(60):
        mix = mixer.mix(torch.rand(N, 1, 12, 10), torch.arange(N))
        mutual.append(torch.equal(mix.mask, mix.mask.flip(0)))
        cuts.append(((mix.mask == 0) | (mix.mask == 1)).flatten(1).all(1))
        if mix.mixed:
            assert torch.equal(mix.partner, torch.arange(N - 1, -1, -1))
    kinds_met = {tuple(cut.tolist()) for cut in cuts}
    assert all(mutual) if mode != 'elem' else not all(mutual)
    assert all(len(set(cut)) == 1 for cut in kinds_met) if mode == 'batch' else len(kinds_met) > 10


@pytest.mark.parametrize('mode', ['batch', 'pair', 'elem', 'half'])
def test_off(mode: str) -> None:
    """Switched off, or over, nothing is mixed; labels are smoothed all the same."""
    images, labels = torch.rand(N, 1, 8, 8), torch.arange(N)
    count = N // 2 if mode == 'half' else N
    smooth = 0.9 * torch.eye(N) + 0.1 / N
    mixer = TimmMixup(mode=mode, num_classes=N, mixup_off_epoch=3)
    with pytest.raises(RuntimeError, match='needs to know the epoch'):
        mixer(images, labels)
    for epoch, on in ((0, True), (2, True), (3, False), (9, False)):
        mixer.epoch = epoch
        mixed, scores = mixer(images, labels)
        assert torch.equal(mixed, images[:count]) != on
        assert torch.allclose(scores, smooth[:count]) != on
    mixer.epoch, mixer.mixup_enabled = 0, False
    assert torch.equal(mixer(images, labels)[0], images[:count])


def test_half_of_what_cannot_be_halved() -> None:
    with pytest.raises(ValueError, match='drop_last=True'):
        TimmMixup(mode='half', num_classes=5)(torch.rand(5, 1, 8, 8), torch.arange(5))
    with pytest.raises(ValueError, match='nothing is active'):
        TimmMixup(mixup_alpha=0)
    assert torch.equal(Flip()(torch.rand(3), torch.rand(3))[2], torch.tensor([2, 1, 0]))


def test_table_of_timm_has_every_argument() -> None:
    shown = {name for row in rows_of('from_timm.md') for name in re.findall(r'`(\w+)`', row[0])}
    assert set(inspect.signature(TimmMixup).parameters) - {'partners', 'labels', 'check_finite'} <= shown
    assert 'multi_label' in shown
