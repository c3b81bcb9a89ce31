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

let argumentParser = Target.Dependency.product(
  name: "ArgumentParser", package: "swift-argument-parser")

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
        .product(name: "SwiftProtobuf", package: "swift-protobuf"),
      ]),
    library("Storage", ["CryptoPrimitives", "FederatedLearning"]),
    library("DataImport", ["Recommender", "CSystemZlib"]),
    library("ModelExport", ["Recommender"]),
    library("Reporting", []),

    // The host that plays all parties in one process.
    library(
      "Simulation",
      [
        "CryptoPrimitives", "SecureAggregation", "Recommender", "FederatedLearning", "WireProtocol",
      ]),

    .executableTarget(
      name: "tacit",
      dependencies: [
        "CryptoPrimitives", "SecureAggregation", "DifferentialPrivacy", "Recommender",
        "FederatedLearning", "Storage", "DataImport", "ModelExport", "Reporting",
        "Simulation", "Yams", argumentParser,
      ],
      swiftSettings: settings),
    .executableTarget(
      name: "tacit-coordinator", dependencies: ["FederatedLearning", argumentParser],
      path: "Coordinator", swiftSettings: settings),
    .executableTarget(
      name: "tacit-client", dependencies: ["FederatedLearning", argumentParser],
      path: "Client", swiftSettings: settings),

    tests("ArchitectureTests", []),
    tests("CryptoPrimitivesTests", ["CryptoPrimitives"]),
    tests("SecureAggregationTests", ["CryptoPrimitives", "SecureAggregation"]),
    tests("DifferentialPrivacyTests", ["CryptoPrimitives", "DifferentialPrivacy"]),
    tests("RecommenderTests", ["Recommender"]),
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
    tests("ReportingTests", ["Reporting"]),
    tests(
      "SimulationTests",
      [
        "CryptoPrimitives", "SecureAggregation", "DifferentialPrivacy", "Recommender",
        "FederatedLearning", "WireProtocol", "Storage", "Simulation",
      ]),
    // Dependencies so that the programs are built: the tests run them as a user does.
    tests("CommandLineTests", ["tacit", "tacit-coordinator", "tacit-client"]),
  ]
)
