"""`make run`, which is ops/run.py: from the first moment on, Ctrl-C is no error."""

import os
import signal
import sys

if __name__ == "__main__":
    # What follows takes a second to import. Nothing runs yet that would have to be stopped; the supervisor takes over.
    signal.signal(signal.SIGINT, lambda *_: os._exit(0))
    from ops.run import main

    sys.exit(main())
