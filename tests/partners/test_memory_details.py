"""What partners remember, row by row."""

import torch
from test_partners import StubTable, batch, level, partners_of, pool_with

from mmmix import CutMix, History


def test_a_sample_that_was_put_out_is_new_when_it_comes_again() -> None:
    """Its old slot belongs to somebody else by then."""
    table = StubTable(1, 2, 3)
    pool = pool_with(table, size=2)
    for sample in (1, 2, 3, 1):
        pool.observe(*batch([sample]), [sample])
    assert sorted(pool.sample_idx.tolist()) == [1, 3], '2 was there longest when 1 came again'
    assert pool.images is not None
    assert sorted(level(pool._decode(pool.images, torch.float32))) == [1, 3]
    pool.observe(*batch([1], version=1), [1])
    assert sorted(level(pool._decode(pool.images, torch.float32))) == [3, 101], 'renewed in its own slot'


def test_a_pool_of_another_device_or_shape_is_not_drawn_from() -> None:
    pool = pool_with(StubTable(1, 2), size=4)
    images, scores = batch([1, 2])
    pool.observe(images, scores, [1, 2])
    assert pool._fits(images, scores)
    assert not pool._fits(images.to('meta'), scores.to('meta'))
    assert not pool._fits(images[:, :1], scores) and not pool._fits(images[..., :2], scores)
    assert not pool._fits(images, scores[:, :50])
    assert set(partners_of(pool, [5, 6, 7])) <= {1, 2}


def test_history_tells_the_prediction_of_each_partner() -> None:
    """Row by row, also where the batch is longer than the last one."""
    history = History()
    mixer = CutMix(partners=history)
    mixer.mix(torch.rand(3, 3, 8, 8), torch.eye(5)[:3])
    logits = torch.randn(3, 5)
    history.remember_predictions(logits)
    mix = mixer.mix(torch.rand(5, 3, 8, 8), torch.eye(5))
    told = history.predictions_of_partners(mix)
    assert told is not None and not told.requires_grad
    torch.testing.assert_close(told, logits.softmax(1)[[0, 1, 2, 0, 1]])
    assert history.predictions is None, 'nobody told yet what the network makes of this step'
    again = mixer.mix(torch.rand(5, 3, 8, 8), torch.eye(5))
    assert history.predictions_of_partners(again) is None


def test_history_has_no_predictions_of_partners_from_the_batch() -> None:
    history = History()
    mixer = CutMix(partners=history)
    mixer.mix(torch.rand(3, 3, 8, 8), torch.eye(3))
    history.remember_predictions(torch.randn(3, 3))
    other_shape = mixer.mix(torch.rand(3, 3, 6, 6), torch.eye(3))
    assert history.predictions_of_partners(other_shape) is None
