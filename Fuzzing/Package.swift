// swift-tools-version: 6.2
// The pure targets and their tests once more, by links to the same sources, for builds that the package of the programs should not
// be made in: with libFuzzer (scripts/fuzz.sh) and with sanitizers (scripts/test-sanitizers.sh). Needs no gRPC, TLS or SQLite.
import PackageDescription

/// For ThreadSanitizer, which does not see the lock of Synchronization.Mutex: the same sources with one that it sees (VisibleMutex).
let isThreadSanitized = Context.environment["TACIT_THREAD_SANITIZER"] == "1"

let language: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
]
let settings = language + (isThreadSanitized ? [.unsafeFlags(["-module-alias", "Synchronization=VisibleMutex"])] : [])
let locks: [Target.Dependency] = isThreadSanitized ? ["VisibleMutex"] : []

func library(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .target(name: name, dependencies: dependencies + locks, swiftSettings: settings)
}

func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .testTarget(name: name, dependencies: dependencies + locks, swiftSettings: settings)
}

let engine: [Target.Dependency] = [
  "CryptoPrimitives", "SecureAggregation", "DifferentialPrivacy", "Recommender", "FederatedLearning",
]

let package = Package(
  name: "tacit-fuzzing",
  products: [.library(name: "FuzzTargets", type: .static, targets: ["FuzzTargets"])],
  dependencies: [.package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0")],
  targets: [
    .systemLibrary(name: "CSystemCrypto"),
    .systemLibrary(name: "CSystemBLAS"),
    .systemLibrary(name: "CSystemZlib"),
    .target(name: "CVectorKernels"),
    .target(name: "VisibleMutex", swiftSettings: language),
    library("CryptoPrimitives", ["CSystemCrypto"]),
    library("SecureAggregation", ["CryptoPrimitives", "CVectorKernels"]),
    library("DifferentialPrivacy", ["CryptoPrimitives", "CVectorKernels"]),
    library("Recommender", ["CSystemBLAS", "CVectorKernels"]),
    library("FederatedLearning", ["CryptoPrimitives", "SecureAggregation", "DifferentialPrivacy", "Recommender"]),
    library(
      "WireProtocol",
      ["CryptoPrimitives", "SecureAggregation", "FederatedLearning", .product(name: "SwiftProtobuf", package: "swift-protobuf")]),
    library("DataImport", ["Recommender", "CSystemZlib"]),
    library("ModelExport", ["Recommender"]),
    library("Reporting", []),
    // Of the identities only what reads bytes by itself: certificates are read by swift-certificates, which has its own tests.
    .target(
      name: "PeerIdentity", dependencies: ["CryptoPrimitives"] + locks,
      sources: [
        "Base64.swift", "CanonicalBytes.swift", "EnrolmentToken.swift", "HostPort.swift", "KeySuccession.swift",
        "PartnerIdentityURI.swift", "PartnerName.swift", "PartnerStatement.swift", "PeerIdentityError.swift",
        "ShortFingerprint.swift", "SignedRoster.swift",
      ], swiftSettings: settings),
    library("FuzzTargets", engine + ["WireProtocol", "DataImport", "ModelExport", "Reporting", "PeerIdentity"]),
    tests("CryptoPrimitivesTests", ["CryptoPrimitives"]),
    tests("SecureAggregationTests", ["CryptoPrimitives", "SecureAggregation"]),
    tests("DifferentialPrivacyTests", ["CryptoPrimitives", "DifferentialPrivacy"]),
    tests("RecommenderTests", ["Recommender"]),
    tests("FederatedLearningTests", engine),
    tests("WireProtocolTests", ["CryptoPrimitives", "SecureAggregation", "FederatedLearning", "WireProtocol"]),
  ]
)
