"""The config in a checkpoint, read as values: what anybody may have written there is not run."""

import ast
from typing import Any

from mmengine.config import Config

from .foreign_forms import ExportError

#: What of a config is needed, in the order of its text.
WANTED = ('model', 'data_preprocessor', 'test_dataloader', 'val_dataloader', 'default_scope')


def config_in(checkpoint: dict) -> Config:
    """The config that MMEngine wrote into a checkpoint, read without running it.

    Args:
        checkpoint (dict): What the file holds.

    Raises:
        ExportError: If there is none, or it holds more than values.

    Example:
        >>> from mmmix.engine.checkpoint_config import config_in
        >>> config_in(dict(meta=dict(cfg="model = dict(type='ImageClassifier')"))).model.type
        'ImageClassifier'
    """
    text = checkpoint.get('meta', {}).get('cfg') if isinstance(checkpoint.get('meta'), dict) else None
    if not isinstance(text, str):
        raise ExportError('the checkpoint comes without its config: name it with --config')
    found = {}
    try:
        for line in ast.parse(text).body:
            if isinstance(line, ast.Assign) and isinstance(line.targets[0], ast.Name) and line.targets[0].id in WANTED:
                found[line.targets[0].id] = _value(line.value)
    except (SyntaxError, ValueError):
        raise ExportError('the config in the checkpoint is no plain one: name it with --config') from None
    if 'model' not in found:
        raise ExportError('the config in the checkpoint has no `model`: name the config with --config')
    return Config(found)


def _value(node: ast.expr) -> Any:
    """A value, without a call but ``dict(...)``."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == 'dict' and not node.args:
        return {word.arg: _value(word.value) for word in node.keywords if word.arg is not None}
    if isinstance(node, ast.Dict):
        return {ast.literal_eval(k): _value(v) for k, v in zip(node.keys, node.values, strict=True) if k is not None}
    if isinstance(node, ast.List):
        return [_value(element) for element in node.elts]
    if isinstance(node, ast.Tuple):
        return tuple(_value(element) for element in node.elts)
    return ast.literal_eval(node)
