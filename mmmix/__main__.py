"""``python -m mmmix``."""

from .commands import main

if __name__ == '__main__':
    main()
