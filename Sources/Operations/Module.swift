internal import Hummingbird
internal import Logging
internal import ServiceLifecycle
internal import UnixSignals
internal import Yams
