"""The scope of the configs: the one thing that an import of mmmix does, so it must be quick."""


def register_config_scope() -> None:
    """Let configs inherit from those of mmmix: ``_base_ = 'mmmix::quickstart/resnet_digits.py'``.

    MMEngine resolves ``package::`` only for the packages in its table.
    """
    from mmengine.config.utils import MODULE2PACKAGE

    MODULE2PACKAGE.setdefault('mmmix', 'mmmix')
