internal import GRPCCore
internal import GRPCProtobuf
internal import GRPCNIOTransportHTTP2Posix
internal import NIOCore
internal import NIOPosix
internal import NIOTLS
internal import NIOSSL
internal import X509
