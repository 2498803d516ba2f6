"""The page about detectors: its lines are those of the command, and both of torchvision's detectors learn."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.hub import get_config

from mmmix.cli import build_classifier
from mmmix.engine.export import export
from mmmix.engine.export_lines import about_export

PAGE = (Path(__file__).resolve().parents[2] / 'docs' / 'detection.md').read_text(encoding='utf-8')


@pytest.mark.parametrize('to', ['mmdet', 'detectron2'])
def test_lines_are_those_of_the_command(to: str) -> None:
    config = get_config('mmpretrain::resnet/resnet50_8xb32_in1k.py')
    found = export(build_classifier(config, device='cpu'), config, to)
    assert about_export(found, f'epoch_100-{to}.pth')['lines'] in PAGE


@pytest.mark.slow
@pytest.mark.parametrize(('which', 'rate'), [(0, 0.01), (1, 0.05)], ids=['faster-rcnn', 'retinanet'])
def test_detectors_learn_with_an_exported_backbone(which: int, rate: float) -> None:
    torch.manual_seed(0)
    scope: dict[str, Any] = {}
    for block in re.findall(r'```python\n(.*?)```', PAGE, re.DOTALL):
        if not block.startswith('_base_'):
            exec(compile(block.split('for detector in detectors')[0], 'detection.md', 'exec'), scope)
    detector = scope['detectors'][which]
    exported, body = scope['exported'].state, detector.backbone.body
    assert torch.equal(body.layer3[1].conv2.weight, exported['layer3.1.conv2.weight'])

    def loss() -> float:
        """Of all scenes, with the same random proposals each time."""
        torch.manual_seed(1)
        with torch.no_grad():
            return float(sum(detector.train()(*scope['batch'](range(16))).values()))

    before = loss()
    scope['fine_tune'](detector, 16, rate)
    assert loss() < 0.9 * before
    assert not torch.equal(body.layer3[1].conv2.weight, exported['layer3.1.conv2.weight'])
