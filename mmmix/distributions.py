"""Which distributions carry OpenMMLab's packages, and which versions of them work. It imports nothing."""

#: Import name -> (distributions that carry it, the maintained one first; first version that works; first not tried).
FAMILY = {
    'mmengine': (('onedl-mmengine', 'mmengine'), (0, 10, 0), (0, 11)),
    'mmcv': (('onedl-mmcv', 'mmcv-lite', 'mmcv'), (2, 0, 0), (2, 4)),
    'mmpretrain': (('onedl-mmpretrain', 'mmpretrain'), (1, 2, 0), (1, 4)),
}


def numbers(text: str) -> tuple[int, ...]:
    """The leading numbers of a version: ``'2.3.0.post1'`` -> ``(2, 3, 0)``."""
    found = []
    for piece in text.split('+')[0].split('.'):
        if not piece.isdigit():
            break
        found.append(int(piece))
    return tuple(found)


def bounds(first: tuple[int, ...], beyond: tuple[int, ...]) -> str:
    """The versions between, as pip reads them: ``'>=2.0.0,<2.4'``."""
    return f'>={".".join(map(str, first))},<{".".join(map(str, beyond))}'
