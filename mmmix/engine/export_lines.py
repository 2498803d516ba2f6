"""The lines with which another package takes what was exported."""

from typing import Any

from .export import Export


def lines_of(exported: Export, file: str) -> str:
    """Python or, for detectron2, a config in YAML.

    Args:
        exported (Export): What was exported.
        file (str): What the file is called.
    """
    return LINES[exported.to](exported, file)


def _rounded(values: Any) -> list[float]:
    return [float(f'{value:.6g}') for value in values]


def _call(exported: Export) -> str:
    arguments = dict(exported.arguments)
    first = [repr(arguments.pop('model_name'))] if 'model_name' in arguments else []
    words = ', '.join([*first, *(f'{name}={value!r}' for name, value in arguments.items())])
    return f'{exported.counterpart.call}({words})'


def _torchvision(exported: Export, file: str) -> str:
    lines = ['import torch, torchvision', f'network = {_call(exported)}']
    if exported.classes is None:
        lines.append('network.fc = torch.nn.Identity()')
    lines.append(f'network.load_state_dict(torch.load({file!r}))')
    lines += _normalize(exported)
    return '\n'.join(lines)


def _timm(exported: Export, file: str) -> str:
    lines = ['import timm, torch', f'network = {_call(exported)}', f'network.load_state_dict(torch.load({file!r}))']
    return '\n'.join([*lines, *_normalize(exported)])


def _normalize(exported: Export) -> list[str]:
    pixels = exported.pixels
    values = f'mean={_rounded(pixels.mean)}, std={_rounded(pixels.std)}'
    return [f'# images: RGB from 0 to 1, then Normalize({values})']


def _mmdet(exported: Export, file: str) -> str:
    settings, pixels = dict(exported.counterpart.settings), exported.pixels
    lines = []
    if not settings['type']:
        scope, _, name = exported.backbone['type'].rpartition('.')
        settings = dict(exported.backbone, type=f'{scope or "mmpretrain"}.{name}')
        module = f'{scope or "mmpretrain"}.models'
        lines += [
            f'custom_imports = dict(imports=[{module!r}], allow_failed_imports=False)',
            '# `out_indices` of the backbone says which maps the neck gets; without a base, leave `_delete_` out',
        ]
        settings = dict(_delete_=True, **settings)
    words = ''.join(f'        {name}={value!r},\n' for name, value in settings.items())
    init = f"dict(type='Pretrained', checkpoint={file!r}, prefix='backbone.')"
    values = f'mean={_rounded(pixels.mean)}, std={_rounded(pixels.std)}, bgr_to_rgb={pixels.order == "RGB"}'
    lines += [
        'model = dict(',
        f'    data_preprocessor=dict({values}),',
        f'    backbone=dict(\n{words}        init_cfg={init},\n    ),\n)',
    ]
    return '\n'.join(lines)


def _detectron2(exported: Export, file: str) -> str:
    pixels = exported.pixels
    settings = {
        'MODEL.WEIGHTS': file,
        'MODEL.PIXEL_MEAN': _rounded(pixels.mean),
        'MODEL.PIXEL_STD': _rounded(pixels.std),
        **exported.counterpart.settings,
        'INPUT.FORMAT': pixels.order,
    }
    lines: list[str] = []
    above: list[str] = []
    for key, value in settings.items():
        *rooms, name = key.split('.')
        for depth, room in enumerate(rooms):
            if above[: depth + 1] != rooms[: depth + 1]:
                lines.append(f'{"  " * depth}{room}:')
                above = rooms[: depth + 1]
        above = rooms
        shown = f'"{value}"' if isinstance(value, str) else value
        lines.append(f'{"  " * len(rooms)}{name}: {shown}')
    return '\n'.join(lines)


#: The package -> who writes its lines.
LINES = {'torchvision': _torchvision, 'timm': _timm, 'mmdet': _mmdet, 'detectron2': _detectron2}


def about_export(exported: Export, file: str) -> dict[str, Any]:
    """What stands in the JSON beside the file.

    Args:
        exported (Export): What was exported.
        file (str): What the file is called.
    """
    head = 'written' if exported.classes is not None else f'left out: {exported.counterpart.why_no_head}'
    wanted = exported.pixels
    pixels = dict(
        channels=wanted.order,
        range=f'0..{wanted.scale}',
        mean=list(wanted.mean),
        std=list(wanted.std),
        known_by=wanted.source,
        first_convolution_flipped=exported.flipped,
    )
    return dict(
        to=exported.to, weights=exported.weights, head=head, preprocessing=pixels, lines=lines_of(exported, file)
    )
