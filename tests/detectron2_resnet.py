"""detectron2's ResNet by its config, written after its documented names: what exported weights are loaded into.

detectron2 has no release in the package index, so that it is not in the environments of this project.
"""

import torch.nn as nn
from torch import Tensor


class NormedConv(nn.Conv2d):
    """detectron2's convolution: its norm is in it."""

    def __init__(self, given: int, width: int, kernel: int, stride: int = 1, groups: int = 1):
        super().__init__(given, width, kernel, stride, kernel // 2, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(width)

    def forward(self, input: Tensor) -> Tensor:
        return self.norm(super().forward(input))


class Block(nn.Module):
    """detectron2's two blocks."""

    def __init__(self, given: int, width: int, middle: int, stride: int, settings: dict, basic: bool):
        super().__init__()
        first = settings['STRIDE_IN_1X1']
        if given != width:
            self.shortcut = NormedConv(given, width, 1, stride)
        if basic:
            self.conv1, self.conv2 = NormedConv(given, width, 3, stride), NormedConv(width, width, 3)
        else:
            self.conv1 = NormedConv(given, middle, 1, stride if first else 1)
            self.conv2 = NormedConv(middle, middle, 3, 1 if first else stride, settings['NUM_GROUPS'])
            self.conv3 = NormedConv(middle, width, 1)

    def forward(self, inputs: Tensor) -> Tensor:
        out = self.conv2(self.conv1(inputs).relu())
        out = self.conv3(out.relu()) if hasattr(self, 'conv3') else out
        return (out + (self.shortcut(inputs) if hasattr(self, 'shortcut') else inputs)).relu()


class Detectron2ResNet(nn.Module):
    """detectron2's network from its config: stem.conv1, res2 to res5."""

    def __init__(self, settings: dict):
        super().__init__()
        settings = {key.split('.')[-1]: value for key, value in settings.items()}
        layers = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}[settings['DEPTH']]
        self.stem = nn.ModuleDict(dict(conv1=NormedConv(3, 64, 7, 2)))
        given, width = 64, settings['RES2_OUT_CHANNELS']
        middle = settings['NUM_GROUPS'] * settings['WIDTH_PER_GROUP']
        for i, count in enumerate(layers):
            blocks = []
            for j in range(count):
                stride = 2 if i and not j else 1
                blocks.append(Block(given, width, middle, stride, settings, settings['DEPTH'] < 50))
                given = width
            self.add_module(f'res{i + 2}', nn.Sequential(*blocks))
            width, middle = 2 * width, 2 * middle

    def forward(self, images: Tensor) -> list[Tensor]:
        maps = [nn.functional.max_pool2d(self.stem['conv1'](images).relu(), 3, 2, 1)]
        for i in range(2, 6):
            maps.append(self.get_submodule(f'res{i}')(maps[-1]))
        return maps[1:]
