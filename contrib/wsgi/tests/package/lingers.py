"""An application that has started a thread as it was imported, and forgets it."""

import threading

from views import application  # noqa: F401

threading.Thread(target=threading.Event().wait, name="forgotten").start()
