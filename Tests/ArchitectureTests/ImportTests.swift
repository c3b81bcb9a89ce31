import Foundation
import Testing

/// The picture of docs/architecture.md, the manifest and every import say the same.
@Suite struct ImportTests {
  let table: ArchitectureTable
  let manifest: ManifestTargets

  init() throws {
    table = ArchitectureTable(try RepositoryText.text("docs/architecture.md"))
    manifest = ManifestTargets(try RepositoryText.text("Package.swift"))
  }

  @Test func `every import of every file is allowed by the table`() throws {
    var fileCount = 0
    for row in table.rows {
      for file in RepositoryText.files(under: row.room, extensions: ["swift"]) {
        fileCount += 1
        let exceptions = table.exceptions.filter { $0.file == file }.map(\.module)
        for line in ImportLine.all(in: try RepositoryText.text(file)) {
          #expect(
            row.allowed.union(exceptions).contains(line.module),
            "\(file):\(line.line) imports \(line.module), which docs/architecture.md does not allow \(row.name)")
        }
      }
    }
    #expect(fileCount > 50, "only \(fileCount) Swift files were found")
  }

  @Test func `every Swift file belongs to a target of the table`() throws {
    let rooms = table.rows.map { $0.room + "/" }
    for folder in ["Sources", "Tests", "Coordinator", "Client"] {
      for file in RepositoryText.files(under: folder, extensions: ["swift"]) {
        #expect(rooms.contains { file.hasPrefix($0) }, "\(file) is in no room of docs/architecture.md")
      }
    }
  }

  @Test func `every import outside the tests states its access level, and none is testable`() throws {
    for row in table.rows {
      let isTest = row.room.hasPrefix("Tests/")
      for file in RepositoryText.files(under: row.room, extensions: ["swift"]) {
        for line in ImportLine.all(in: try RepositoryText.text(file)) {
          #expect(isTest || line.access != nil, "\(file):\(line.line): the import of \(line.module) states no access")
          #expect(
            !line.attributes.contains { ["@testable", "@_exported", "@_implementationOnly"].contains($0) },
            "\(file):\(line.line): \(line.attributes) import of \(line.module)")
        }
      }
    }
  }

  @Test func `the manifest declares the targets of the table, in its order, with the same dependencies`() {
    #expect(manifest.declarations.map(\.name) == table.rows.map(\.name))
    for (declaration, row) in zip(manifest.declarations, table.rows) {
      #expect(
        Set(declaration.dependencies) == Set(row.ours + row.outside),
        "\(row.name): Package.swift declares \(declaration.dependencies.sorted()), docs/architecture.md says \((row.ours + row.outside).sorted())"
      )
    }
    #expect(manifest.declarations.count > 25, "only \(manifest.declarations.count) targets were found in Package.swift")
  }

  @Test func `no arrow points back`() {
    var above: Set<String> = []
    for row in table.rows {
      for name in row.ours {
        #expect(above.contains(name), "\(row.name) imports \(name), which does not stand above it")
      }
      above.insert(row.name)
    }
  }

  @Test func `the three sciences do not know each other`() {
    let sciences: Set = ["SecureAggregation", "DifferentialPrivacy", "Recommender"]
    for row in table.targets where sciences.contains(row.name) {
      #expect(sciences.isDisjoint(with: row.ours), "\(row.name) imports another science")
    }
  }

  @Test(arguments: [
    ("CSystemCrypto", "CryptoPrimitives"), ("CSystemBLAS", "Recommender"), ("CSystemZlib", "DataImport"),
  ]) func `a system library has one door`(library: String, door: String) throws {
    for row in table.rows where row.name != door {
      #expect(!row.allowed.contains(library), "the table lets \(row.name) import \(library)")
      for file in RepositoryText.files(under: row.room, extensions: ["swift"]) {
        #expect(!ImportLine.all(in: try RepositoryText.text(file)).contains { $0.module == library }, "\(file)")
      }
    }
    #expect(
      try RepositoryText.files(under: "Sources/\(door)", extensions: ["swift"]).contains { file in
        ImportLine.all(in: try RepositoryText.text(file)).contains { $0.module == library }
      }, "nobody imports \(library)")
  }

  @Test func `nothing that tacit is made of knows TLS, gRPC, HTTP or SQLite`() {
    let network: Set = [
      "GRPCCore", "GRPCProtobuf", "GRPCNIOTransportHTTP2Posix", "NIOCore", "NIOPosix", "NIOTLS", "NIOSSL", "X509", "Crypto",
      "Hummingbird", "GRDB",
    ]
    var reached: Set = ["tacit"]
    for row in table.targets.reversed() where reached.contains(row.name) {
      reached.formUnion(row.ours)
      #expect(network.isDisjoint(with: row.outside), "\(row.name) is part of tacit and imports \(row.outside)")
    }
    #expect(reached.count > 10)
  }

  @Test func `headers of system libraries are included in their own module only`() throws {
    let owners = [
      "sodium": "CSystemCrypto", "openssl/": "CSystemCrypto", "cblas": "CSystemBLAS", "lapack": "CSystemBLAS",
      "zlib": "CSystemZlib",
    ]
    var includeCount = 0
    for file in RepositoryText.files(under: "Sources", extensions: ["c", "h"]) {
      for line in try RepositoryText.text(file).split(separator: "\n") where line.hasPrefix("#include") {
        includeCount += 1
        for (header, owner) in owners where line.contains("<\(header)") || line.contains("\"\(header)") {
          #expect(file.hasPrefix("Sources/\(owner)/"), "\(file) says \(line)")
        }
      }
    }
    #expect(includeCount > 0)
  }

  @Test func `pure targets import no Foundation but for the exceptions, and every exception is needed`() throws {
    let pure: Set = [
      "CryptoPrimitives", "SecureAggregation", "DifferentialPrivacy", "Recommender", "FederatedLearning",
    ]
    for row in table.targets where pure.contains(row.name) {
      #expect(!row.system.contains { $0.hasPrefix("Foundation") }, "the table gives \(row.name) Foundation")
    }
    for exception in table.exceptions {
      let imports = ImportLine.all(in: try RepositoryText.text(exception.file))
      #expect(
        imports.contains { $0.module == exception.module },
        "\(exception.file) no longer imports \(exception.module): take the exception out")
      #expect(pure.contains { exception.file.hasPrefix("Sources/\($0)/") }, "\(exception.file) needs no exception")
    }
  }

  @Test func `nothing but the allowed packages is downloaded`() throws {
    let text = try RepositoryText.text("Package.swift")
    let packages = text.split(separator: "\n").filter { $0.contains(".package(url:") }
      .compactMap { line in line.split(separator: "\"").dropFirst().first.map(String.init) }
    #expect(
      packages == [
        "https://github.com/apple/swift-argument-parser", "https://github.com/apple/swift-protobuf",
        "https://github.com/jpsim/Yams", "https://github.com/grpc/grpc-swift-2",
        "https://github.com/grpc/grpc-swift-nio-transport", "https://github.com/grpc/grpc-swift-protobuf",
        "https://github.com/apple/swift-nio", "https://github.com/apple/swift-nio-ssl",
        "https://github.com/apple/swift-nio-extras", "https://github.com/apple/swift-http-types",
        "https://github.com/apple/swift-certificates", "https://github.com/apple/swift-asn1",
        "https://github.com/apple/swift-crypto", "https://github.com/apple/swift-log",
        "https://github.com/swift-server/swift-service-lifecycle", "https://github.com/groue/GRDB.swift",
        "https://github.com/hummingbird-project/hummingbird",
      ])
  }
}

/// The readers themselves, so that a check that sees nothing is not taken for one that found nothing.
@Suite struct RepositoryTextTests {
  @Test func `imports are found in every form, and only imports`() {
    let source = """
      // import Comment
      /* import
      import Block
      */
      import Plain
      internal import Kept  // why
      @testable public import Attributed
      package import struct Module.Symbol
      #if os(Linux)
        private import Inside
      #endif
      let text = \"\"\"
        import Text
        \"\"\"
      let important = 1; func f() { }
      """
    let found = ImportLine.all(in: source)
    #expect(found.map(\.module) == ["Plain", "Kept", "Attributed", "Module", "Inside"])
    #expect(found.map(\.access) == [nil, "internal", "public", "package", "private"])
    #expect(found.map(\.line) == [5, 6, 7, 8, 10])
    #expect(found[2].attributes == ["@testable"])
  }

  @Test func `the table is read cell by cell`() {
    let table = ArchitectureTable(
      """
      | target | room | responsibility in one line | ours | outside | system |
      | --- | --- | --- | --- | --- | --- |
      | `A` | Sources/A | first | - | - | Glibc |
      | `B` | Sources/B | second, with a comma | A, C | X | - |

      | test target | ours | outside |
      | --- | --- | --- |
      | `ATests` | A | X |

      | file | module | reason |
      | --- | --- | --- |
      | `Sources/A/F.swift` | Foundation | dates |
      """)
    #expect(table.targets.map(\.name) == ["A", "B"])
    #expect(table.targets[1].allowed == ["A", "C", "X"])
    #expect(table.targets[0].system == ["Glibc"])
    #expect(table.tests.map(\.room) == ["Tests/ATests"])
    #expect(table.tests[0].allowed.isSuperset(of: ["A", "X", "Testing"]))
    #expect(table.exceptions.map(\.file) == ["Sources/A/F.swift"])
  }

  @Test func `the manifest is read call by call`() {
    let manifest = ManifestTargets(
      """
      let parser = product("ArgumentParser", "swift-argument-parser")
      let p = product("P", "p")
      let both: [Target.Dependency] = ["A", p]
      let package = Package(
        products: [.executable(name: "x", targets: ["x"])],
        targets: [
          // library("Comment", [])
          .systemLibrary(name: "CLib", providers: [.apt(["libc-dev"])]),
          .target(name: "CKernels"),
          library("A", ["CLib"]),
          library(
            "B",
            [
              "A", p,
              "CKernels",
            ]),
          .executableTarget(
            name: "x", dependencies: both + ["B", parser], path: "X", swiftSettings: settings),
          tests("ATests", []),
        ]
      )
      """)
    #expect(manifest.declarations.map(\.name) == ["CLib", "CKernels", "A", "B", "x", "ATests"])
    #expect(
      manifest.declarations.map { $0.dependencies.sorted() }
        == [[], [], ["CLib"], ["A", "CKernels", "P"], ["A", "ArgumentParser", "B", "P"], []])
  }
}
