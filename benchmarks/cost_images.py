"""Made images for the measurements of costs."""

from typing import Any

import torch
from mmpretrain.structures import DataSample
from torch.utils.data import Dataset


class Noise(Dataset):
    """Made images, two batches of them, as 8-bit grey levels."""

    def __init__(self, side: int, length: int, classes: int) -> None:
        draws = torch.Generator().manual_seed(0)
        self.images = torch.randint(256, (length, 3, side, side), generator=draws, dtype=torch.uint8)
        self.labels = torch.randint(classes, (length,), generator=draws)
        self.metainfo: dict[str, Any] = {}

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> dict[str, Any]:
        sample = DataSample(metainfo=dict(sample_idx=index)).set_gt_label(int(self.labels[index]))
        return dict(inputs=self.images[index], data_samples=sample)


def collate(samples: list[dict[str, Any]]) -> dict[str, Any]:
    """Put samples together as the preprocessor wants them."""
    inputs = torch.stack([sample['inputs'] for sample in samples])
    return dict(inputs=inputs, data_samples=[sample['data_samples'] for sample in samples])
