// swift-tools-version: 6.2
// The manifest is the architecture: targets stand in dependency order, and no arrow points back.
// docs/architecture.md draws the same picture; Tests/ArchitectureTests compares every import with it.
import PackageDescription

let settings: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .treatAllWarnings(as: .error),
]

func library(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .target(name: name, dependencies: dependencies, swiftSettings: settings)
}

func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .testTarget(name: name, dependencies: dependencies, swiftSettings: settings)
}

func product(_ name: String, _ package: String) -> Target.Dependency { .product(name: name, package: package) }

let argumentParser = product("ArgumentParser", "swift-argument-parser")
let swiftProtobuf = product("SwiftProtobuf", "swift-protobuf")
let grpcCore = product("GRPCCore", "grpc-swift-2")
let grpcProtobuf = product("GRPCProtobuf", "grpc-swift-protobuf")
let grpcTransport = product("GRPCNIOTransportHTTP2Posix", "grpc-swift-nio-transport")
let nioCore = product("NIOCore", "swift-nio")
let nioPosix = product("NIOPosix", "swift-nio")
let nioEmbedded = product("NIOEmbedded", "swift-nio")
let nioHTTPTypes = product("NIOHTTPTypes", "swift-nio-extras")
let httpTypes = product("HTTPTypes", "swift-http-types")
let nioTLS = product("NIOTLS", "swift-nio")
let nioSSL = product("NIOSSL", "swift-nio-ssl")
let x509 = product("X509", "swift-certificates")
let asn1 = product("SwiftASN1", "swift-asn1")
let crypto = product("Crypto", "swift-crypto")
let logging = product("Logging", "swift-log")
let serviceLifecycle = product("ServiceLifecycle", "swift-service-lifecycle")
let unixSignals = product("UnixSignals", "swift-service-lifecycle")
let grdb = product("GRDB", "GRDB.swift")
let hummingbird = product("Hummingbird", "hummingbird")
let hummingbirdCore = product("HummingbirdCore", "hummingbird")

/// What both networked services are made of.
let service: [Target.Dependency] = [
  "CryptoPrimitives", "SecureAggregation", "DifferentialPrivacy", "Recommender", "FederatedLearning", "WireProtocol",
  "Storage", "DataImport", "PeerIdentity", "Transport", "TaskDatabase", "Operations", grdb, logging,
]

let package = Package(
  name: "tacit",
  products: [
    .executable(name: "tacit", targets: ["tacit"]),
    .executable(name: "tacit-coordinator", targets: ["tacit-coordinator"]),
    .executable(name: "tacit-client", targets: ["tacit-client"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    .package(url: "https://github.com/grpc/grpc-swift-2", from: "2.4.3"),
    .package(url: "https://github.com/grpc/grpc-swift-nio-transport", from: "2.9.2"),
    .package(url: "https://github.com/grpc/grpc-swift-protobuf", from: "2.4.1"),
    .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
    .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
    .package(url: "https://github.com/apple/swift-nio-extras", from: "1.35.2"),
    .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
    .package(url: "https://github.com/apple/swift-certificates", from: "1.21.1"),
    .package(url: "https://github.com/apple/swift-asn1", from: "1.7.4"),
    .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
    .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1"),
  ],
  targets: [
    // C libraries of the system, and our own C kernels.
    .systemLibrary(name: "CSystemCrypto", providers: [.apt(["libsodium-dev", "libssl-dev"])]),
    .systemLibrary(name: "CSystemBLAS", providers: [.apt(["libopenblas-dev"])]),
    .systemLibrary(name: "CSystemZlib", providers: [.apt(["zlib1g-dev"])]),
    .target(name: "CVectorKernels"),

    // Three sciences that do not know each other.
    library("CryptoPrimitives", ["CSystemCrypto"]),
    library("SecureAggregation", ["CryptoPrimitives", "CVectorKernels"]),
    library("DifferentialPrivacy", ["CryptoPrimitives", "CVectorKernels"]),
    library("Recommender", ["CSystemBLAS", "CVectorKernels"]),

    // The pure engine in which they meet.
    library(
      "FederatedLearning",
      ["CryptoPrimitives", "SecureAggregation", "DifferentialPrivacy", "Recommender"]),

    // The edge: bytes and files.
    library(
      "WireProtocol",
      [
        "CryptoPrimitives", "SecureAggregation", "FederatedLearning",
        swiftProtobuf,
      ]),
    library("Storage", ["CryptoPrimitives", "FederatedLearning"]),
    library("DataImport", ["Recommender", "CSystemZlib"]),
    library("ModelExport", ["Recommender"]),
    library("Serving", ["Recommender"]),
    library("Reporting", []),

    // The host that plays all parties in one process.
    library(
      "Simulation",
      [
        "CryptoPrimitives", "SecureAggregation", "DifferentialPrivacy", "Recommender", "FederatedLearning", "WireProtocol",
      ]),

    // What the three command lines share: sentences, exit codes, tables.
    library(
      "CommandSupport",
      [
        "CryptoPrimitives", "DifferentialPrivacy", "Recommender", "FederatedLearning", "Storage", "DataImport", "ModelExport",
        "Reporting",
        argumentParser,
      ]),

    // The network. Only the two services know TLS, gRPC and SQLite; `tacit` builds without them.
    library("PeerIdentity", ["CryptoPrimitives", x509, asn1, crypto]),
    library(
      "Transport",
      [
        "CryptoPrimitives", "PeerIdentity", grpcCore, grpcProtobuf, grpcTransport, nioCore, nioPosix, nioTLS, nioSSL, x509,
        swiftProtobuf, logging,
      ]),
    library("TaskDatabase", [grdb]),
    library(
      "Operations",
      [
        "CommandSupport", "PeerIdentity", hummingbird, hummingbirdCore, logging, serviceLifecycle, unixSignals, nioCore,
        nioHTTPTypes, httpTypes, "Yams",
      ]),

    // What the two networked command lines share.
    library("ServiceCommands", ["CommandSupport", "PeerIdentity", "Transport", "TaskDatabase", "Operations"]),

    .executableTarget(
      name: "tacit",
      dependencies: [
        "CryptoPrimitives", "SecureAggregation", "DifferentialPrivacy", "Recommender",
        "FederatedLearning", "Storage", "DataImport", "ModelExport", "Reporting",
        "Simulation", "CommandSupport", "Yams", argumentParser,
      ],
      swiftSettings: settings),
    .target(
      name: "CoordinatorService", dependencies: service + ["ModelExport", serviceLifecycle], path: "Coordinator/Service",
      swiftSettings: settings),
    .executableTarget(
      name: "tacit-coordinator",
      dependencies: [
        "CryptoPrimitives", "SecureAggregation", "Recommender", "FederatedLearning", "ModelExport", "Reporting", "PeerIdentity",
        "Transport", "Operations", "CommandSupport", "ServiceCommands", "CoordinatorService", argumentParser,
      ],
      path: "Coordinator/Command", swiftSettings: settings),
    .target(
      name: "PartnerService", dependencies: service + ["Serving"], path: "Client/Service", swiftSettings: settings),
    .target(
      name: "PartnerServing",
      dependencies: [
        "CryptoPrimitives", "Recommender", "Serving", "PeerIdentity", "Operations", hummingbird, nioCore,
        logging, serviceLifecycle,
      ],
      path: "Client/Serving", swiftSettings: settings),
    .executableTarget(
      name: "tacit-client",
      dependencies: [
        "CryptoPrimitives", "SecureAggregation", "DifferentialPrivacy", "Recommender", "FederatedLearning", "DataImport",
        "ModelExport", "Reporting", "Serving", "PeerIdentity", "Operations", "CommandSupport", "ServiceCommands",
        "PartnerService", "PartnerServing", logging, serviceLifecycle, argumentParser,
      ],
      path: "Client/Command", swiftSettings: settings),

    tests("ArchitectureTests", []),
    tests("CryptoPrimitivesTests", ["CryptoPrimitives"]),
    tests("SecureAggregationTests", ["CryptoPrimitives", "SecureAggregation"]),
    tests("DifferentialPrivacyTests", ["CryptoPrimitives", "DifferentialPrivacy"]),
    tests("RecommenderTests", ["CVectorKernels", "Recommender"]),
    tests(
      "FederatedLearningTests",
      [
        "CryptoPrimitives", "SecureAggregation", "DifferentialPrivacy", "Recommender",
        "FederatedLearning",
      ]),
    tests(
      "WireProtocolTests",
      ["CryptoPrimitives", "SecureAggregation", "FederatedLearning", "WireProtocol"]),
    tests(
      "StorageTests",
      ["CryptoPrimitives", "SecureAggregation", "DifferentialPrivacy", "FederatedLearning", "Storage"]),
    tests("DataImportTests", ["Recommender", "DataImport"]),
    tests("ModelExportTests", ["Recommender", "ModelExport"]),
    tests("ServingTests", ["Recommender", "Serving"]),
    tests("ReportingTests", ["Reporting"]),
    tests(
      "SimulationTests",
      [
        "CryptoPrimitives", "SecureAggregation", "DifferentialPrivacy", "Recommender",
        "FederatedLearning", "WireProtocol", "Storage", "Simulation",
      ]),
    tests("PeerIdentityTests", ["CryptoPrimitives", "PeerIdentity", x509, asn1, crypto]),
    tests(
      "TransportTests", ["CryptoPrimitives", "PeerIdentity", "Transport", grpcCore, grpcTransport, nioCore, nioEmbedded]),
    tests("TaskDatabaseTests", ["TaskDatabase", grdb]),
    tests("OperationsTests", ["PeerIdentity", "Operations", logging, serviceLifecycle]),
    tests("CoordinatorServiceTests", service + ["CoordinatorService"]),
    tests("PartnerServiceTests", service + ["Serving", "PartnerService"]),
    tests(
      "PartnerServingTests", ["Recommender", "Serving", "PeerIdentity", "PartnerServing", logging, serviceLifecycle]),
    // Dependencies so that the programs are built: the tests run them as a user does.
    tests(
      "CommandLineTests",
      [
        "CryptoPrimitives", "DifferentialPrivacy", "Recommender", "FederatedLearning", "Reporting", "Storage",
        "CommandSupport", "tacit", "tacit-coordinator", "tacit-client",
      ]),
    // The same, killed from outside; and peers that no honest program is.
    tests(
      "FaultTests",
      [
        "CryptoPrimitives", "SecureAggregation", "DifferentialPrivacy", "Recommender", "FederatedLearning", "WireProtocol",
        "DataImport", "PeerIdentity", "Transport", "tacit", "tacit-coordinator", "tacit-client", grdb, logging,
      ]),
  ]
)
