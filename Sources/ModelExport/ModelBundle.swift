internal import Glibc
public import Recommender

/// An item model as files that other tools read without us: `items.safetensors` and `items.ids.txt`.
///
/// The tensors' names are the model's; the metadata say `algorithm` and `version`. Line `i` of the id list (0-based) is
/// the public id of item `i`, the row `i` of every tensor whose first extent is the number of items.
public enum ModelBundle {
  public static let tensorsName = "items.safetensors"
  public static let idsName = "items.ids.txt"

  /// Writes both files, each atomically, the tensors last.
  ///
  /// - Parameters:
  ///   - folder: an existing folder.
  ///   - numpy: whether each tensor is also written as `items.NAME.npy`.
  /// - Throws: `FileWriteError`.
  public static func write(
    _ model: ItemModel, catalogue: Catalogue, to folder: String, numpy: Bool = false
  ) throws {
    try writeIDs(catalogue, to: folder)
    if numpy {
      for (name, tensor) in model.tensors { try NumpyArray.write(tensor, to: "\(folder)/items.\(name).npy") }
    }
    try SafeTensors.write(
      model.tensors, metadata: metadata(model.algorithm, model.version), to: "\(folder)/\(tensorsName)")
  }

  /// Writes both files with the tables in fewer bytes; `read` gives the model that they stand for.
  ///
  /// - Throws: `FileWriteError`.
  public static func write(_ model: CompressedModel, catalogue: Catalogue, to folder: String) throws {
    try writeIDs(catalogue, to: folder)
    try AtomicFile.write(
      SafeTensors.encode(compressed: model.tensors, metadata: metadata(model.algorithm, model.version)),
      to: "\(folder)/\(tensorsName)")
  }

  private static func metadata(_ algorithm: String, _ version: Int) -> [String: String] {
    ["algorithm": algorithm, "version": "\(version)"]
  }

  private static func writeIDs(_ catalogue: Catalogue, to folder: String) throws {
    precondition(
      catalogue.itemIDs.allSatisfy { !$0.utf8.contains(10) && !$0.utf8.contains(13) },
      "an item id with a line end cannot stand in a list of lines")
    try AtomicFile.write(to: "\(folder)/\(idsName)") { output in
      for id in catalogue.itemIDs { try output.write("\(id)\n") }
    }
  }

  /// Reads both files.
  ///
  /// - Throws: `ModelFileError` when a file is missing, broken, or lacks algorithm and version.
  public static func read(folder: String) throws -> (model: ItemModel, itemIDs: [String]) {
    let path = "\(folder)/\(tensorsName)"
    let (tensors, metadata) = try SafeTensors.read(path: path)
    guard let algorithm = metadata["algorithm"], let version = metadata["version"].flatMap({ Int($0) }),
      version >= 0
    else {
      throw ModelFileError(
        file: path, found: "metadata \(metadata.keys.sorted())", expected: "an algorithm and a version number"
      )
    }
    let idsPath = "\(folder)/\(idsName)"
    guard let text = String(validating: try readFile(idsPath), as: UTF8.self) else {
      throw ModelFileError(file: idsPath, found: "bytes that are not UTF-8", expected: "one item id per line")
    }
    var ids = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    guard ids.popLast() == "", !ids.contains("") else {
      throw ModelFileError(
        file: idsPath, found: "an empty line or no line end at the end", expected: "one item id per line")
    }
    return (ItemModel(algorithm: algorithm, version: version, tensors: tensors), ids)
  }
}
