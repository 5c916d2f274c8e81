"""End-to-end encryption of rooms: the devices of the bridge's users, their sessions, and events in the clear.

It needs the packages of the extra ``encryption``, and is imported only if the configuration allows encryption.
"""

from __future__ import annotations

import logging
import sys
from types import ModuleType

from mautrix.util.logging import TraceLogger

from agent_bridge.encryption import olm

# mautrix.crypto imports python-olm. This package is imported before it.
sys.modules["olm"] = olm
# mautrix asks libolm for a description of a session, unless the session has one.
_libolm = ModuleType("_libolm")
vars(_libolm).update(ffi=None, lib=None)
sys.modules["_libolm"] = _libolm
# mautrix logs by methods of its own class of loggers, which another package may have replaced since.
_before = logging.getLoggerClass()
logging.setLoggerClass(TraceLogger)
for _name in ("mau.client", "mau.crypto", "mau.crypto.db.upgrade", "mau.db", "mau.db.upgrade", "mau.keys"):
    logging.getLogger(_name)
logging.setLoggerClass(_before)
