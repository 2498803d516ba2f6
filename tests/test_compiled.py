"""``torch.compile``: with a ratio for each sample the compiler looks into mixers, and a training step has no break."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from mmpretrain.registry import BATCH_AUGMENTS
from networks import RESNET, SUMIX, classifier, data
from table import TABLE, Row
from torch import Tensor, nn

from mmmix.core import Eraser
from mmmix.partners import HardSampleTable


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """What one test had compiled is nothing to the next."""
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def alone(row: Row) -> Any:
    """The mixer of a row with a ratio for each sample; None if the compiler must not look into it."""
    mixer = BATCH_AUGMENTS.build(row.config(lam_mode='elem'))
    return mixer if mixer.traces and not any(part.needs_model for part in mixer.parts()) else None


TRACED = [row for row in TABLE if 'elem' in row.lam_modes and alone(row) is not None]
FEW = ('Mixup', 'CutMix', 'Cutout', 'FMix', 'ResizeMix')


def batch(row: Row | None = None, count: int = 8) -> tuple[Tensor, Tensor]:
    size = (24, 20) if row is None else row.image_size
    torch.manual_seed(0)
    return torch.rand(count, 3, *size), torch.eye(8)[torch.arange(count) % 8]


@pytest.mark.parametrize(
    'row', [pytest.param(row, marks=[] if str(row) in FEW else pytest.mark.slow, id=str(row)) for row in TRACED]
)
def test_the_compiler_finds_one_graph_of_the_same_law(row: Row) -> None:
    mixer, again = alone(row), alone(row)  # some remember the last batch
    images, scores = batch(row)
    before = images.clone()
    # This backend draws from torch's own generator, so that the same draws give the same mix.
    compiled = torch.compile(lambda images, scores: mixer(images, scores), fullgraph=True, backend='eager')
    torch.manual_seed(1)
    mixed, labels = compiled(images, scores)
    assert torch.equal(images, before)
    torch.manual_seed(1)
    expected, expected_labels = again(images, scores)
    if not (isinstance(mixer, Eraser) and mixer.fill == 'random'):  # whose noise is drawn for the boxes alone otherwise
        torch.testing.assert_close(mixed, expected)
    torch.testing.assert_close(labels, expected_labels)


def test_all_that_need_no_model_are_traced_but_for_those_that_say_so() -> None:
    names = {row.name for row in TRACED}
    assert {
        'Mixup',
        'CutMix',
        'ResizeMix',
        'FMix',
        'GridMix',
        'SmoothMix',
        'MaskMix',
        'Cutout',
        'RandomErasing',
    } <= names
    assert {'GridMask', 'SaliencyMix', 'StackMix', 'GuidedMixup'} <= names
    assert not names & {'CoMixup', 'PuzzleMix'}


@pytest.mark.parametrize('name', ['CutMix', 'Mixup'])
def test_a_training_step_compiles_without_a_break(name: str) -> None:
    mixer = BATCH_AUGMENTS.build(dict(type=f'mmmix.{name}', lam_mode='elem'))
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 22 * 18, 8))

    def loss_of(images: Tensor, scores: Tensor) -> Tensor:
        mixed, labels = mixer(images, scores)
        return F.cross_entropy(network(mixed), labels)

    images, scores = batch()
    step = torch.compile(loss_of, fullgraph=True, backend='aot_eager')
    for _ in range(3):
        step(images, scores).backward()
    assert all(bool(p.grad.isfinite().all()) for p in network.parameters() if p.grad is not None)


@pytest.mark.slow
@pytest.mark.parametrize('name', ['CutMix', 'Mixup'])
def test_inductor_draws_by_the_same_law(name: str) -> None:
    """Its generator is another one, so the shares are compared as a law; and labels tell the truth."""
    mixer = BATCH_AUGMENTS.build(dict(type=f'mmmix.{name}', lam_mode='elem', alpha=0.6))
    compiled = torch.compile(lambda images, scores: mixer(images, scores), fullgraph=True)
    count = 4000
    images, scores = torch.eye(2)[:, :, None, None].repeat(count // 2, 1, 16, 16), torch.eye(2).repeat(count // 2, 1)
    law = []
    for mix in (mixer, compiled):
        torch.manual_seed(3)
        mixed, labels = mix(images, scores)
        torch.testing.assert_close(mixed.mean((2, 3)), labels, atol=1e-5, rtol=0)
        own = labels.gather(1, scores.argmax(1, keepdim=True)).squeeze(1)
        law.append((float(own.mean()), float(own.std())))
    assert law[1] == pytest.approx(law[0], abs=4 * 0.5 / count**0.5)


def test_one_ratio_for_the_batch_is_drawn_on_the_host_and_still_right() -> None:
    mixer = BATCH_AUGMENTS.build(dict(type='mmmix.CutMix', lam_mode='batch'))
    images, scores = batch()
    compiled = torch.compile(lambda images, scores: mixer(images, scores)[0] * 1, backend='eager')
    torch.manual_seed(1)
    mixed = compiled(images, scores)
    torch.manual_seed(1)
    torch.testing.assert_close(mixed, mixer(images, scores)[0])


@pytest.mark.slow
@pytest.mark.parametrize(
    ('network', 'augments'),
    [
        (RESNET, [dict(type='mmmix.CutMix', alpha=1.0), dict(type='mmmix.Mixup', alpha=1.0)]),
        (SUMIX, [dict(type='mmmix.CutMix', alpha=1.0, prob=0.5)]),
        (RESNET, [dict(type='mmmix.CutMix', partners=dict(type='mmmix.HardPool')), dict(type='mmmix.Cutout')]),
    ],
    ids=['alternating', 'sumix', 'pool'],
)
def test_nothing_is_compiled_again_from_step_to_step(network: dict, augments: list[dict]) -> None:
    torch.manual_seed(0)
    model = classifier(network, augments)
    if 'partners' in augments[0]:
        model.hard_table = HardSampleTable(200)
        model.hard_table.update(range(200), torch.ones(200))
        model.hard_table.refresh()
    model.forward = torch.compile(model.forward, backend='eager')
    counted = []
    for step in range(20):
        samples = data(6)['data_samples']
        for i, sample in enumerate(samples):
            sample.set_field(6 * step + i, 'sample_idx', field_type='metainfo')
        model(torch.rand(6, 3, 32, 32), samples, mode='loss')
        counted.append(int(torch._dynamo.utils.counters['stats']['unique_graphs']))
    # Each branch of the recipe is met once; from then on the graphs are there.
    assert counted[-1] == counted[11], counted
