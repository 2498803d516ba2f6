"""How well images of the same person, or thing, are found in a gallery."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.evaluator import BaseMetric
from torch import Tensor

from ..core import check
from ..core.fields import flag, several
from ..registry import METRICS


def ranking(
    features: Tensor, persons: Tensor, cameras: Tensor, is_query: Tensor, ranks: Sequence[int] = (1,)
) -> dict[str, float]:
    """Rank-k and mean average precision of queries in a gallery.

    Of the gallery, images of the query's own person from its own camera do not count. A query whose person no other
    camera saw is left out. Average precision is the mean of the precision at each hit.

    Args:
        features (Tensor): ``(n, D)`` of queries and gallery; the nearer by the Euclidean distance, the higher the rank.
        persons (Tensor): ``(n,)`` who it is.
        cameras (Tensor): ``(n,)`` which camera saw it.
        is_query (Tensor): ``(n,)``, bool.
        ranks (Sequence[int]): The ``k`` of rank-k. Defaults to (1,).

    Returns:
        dict[str, float]: ``rank-k`` and ``mAP``, in percent.

    Raises:
        ValueError: If no query has anybody to find.
    """
    gallery, gallery_persons, gallery_cameras = features[~is_query], persons[~is_query], cameras[~is_query]
    found: dict[str, list[float]] = {**{f'rank-{k}': [] for k in ranks}, 'mAP': []}
    for feature, person, camera in zip(features[is_query], persons[is_query], cameras[is_query], strict=True):
        counts = (gallery_persons != person) | (gallery_cameras != camera)
        distances = (gallery[counts] - feature).square().sum(1)
        hits = (gallery_persons[counts] == person)[distances.argsort(stable=True)].double()
        if not hits.any():
            continue
        precision = hits.cumsum(0) / torch.arange(1, len(hits) + 1, device=hits.device)
        found['mAP'].append(float((precision * hits).sum() / hits.sum()))
        for k in ranks:
            found[f'rank-{k}'].append(float(hits[:k].any()))
    if not found['mAP']:
        raise ValueError(
            'Ranking: no query has an image of its person by another camera in the gallery: look at the test split.'
        )
    return {name: 100 * sum(values) / len(values) for name, values in found.items()}


@METRICS.register_module()
class Ranking(BaseMetric):
    """Rank-k and mAP of re-identification, with Market-1501's rule of cameras; see :func:`ranking`.

    Predictions need ``feature``, as :class:`mmmix.ReIDHead` gives, and ``person``, ``camera`` and ``is_query`` in the
    metainfo: ``dict(type='PackInputs', meta_keys=('person', 'camera', 'is_query'))``.

    Args:
        ranks (Sequence[int]): The ``k`` of rank-k. Defaults to (1, 5, 10).
        normalize (bool): Whether features are brought to length 1. Defaults to True.
        collect_device (str): Where results of ranks are put together. Defaults to ``'cpu'``.
        prefix (str, optional): In front of the names. Defaults to None, ``'reid'``.

    Raises:
        ValueError: If an argument is out of range.
    """

    default_prefix = 'reid'

    def __init__(
        self,
        ranks: Sequence[int] = (1, 5, 10),
        normalize: bool = True,
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ):
        super().__init__(collect_device=collect_device, prefix=prefix)
        self.ranks, self.normalize = check(
            self, ranks=(ranks, several(default=(1, 5, 10), least=1)), normalize=(normalize, flag(default=True))
        )

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Keep what is needed of a batch."""
        for sample in data_samples:
            missing = [key for key in ('feature', 'person', 'camera', 'is_query') if sample.get(key) is None]
            if missing:
                raise ValueError(
                    f"Ranking: a prediction has no `{missing[0]}`: use head=dict(type='mmmix.ReIDHead') and pack with "
                    "dict(type='PackInputs', meta_keys=('person', 'camera', 'is_query'))."
                )
            known = (int(sample['person']), int(sample['camera']), bool(sample['is_query']))
            self.results.append((sample['feature'].float().cpu(), *known))

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Over all queries."""
        features, persons, cameras, is_query = zip(*results, strict=True)
        stacked = torch.stack(features)
        stacked = F.normalize(stacked) if self.normalize else stacked
        return ranking(stacked, torch.tensor(persons), torch.tensor(cameras), torch.tensor(is_query), self.ranks)
