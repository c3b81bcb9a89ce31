public import Recommender

/// Where item features come from: the catalogue's attributes, its text, or a file of vectors.
public enum ItemFeatureSource {
  /// What people write besides the name of a file.
  public static let names = ["attributes", "text"]

  /// Features of all sources side by side.
  ///
  /// A file (`.npy`, or `.safetensors` with one tensor) is a table with a row for each item, in the catalogue's order; rows are
  /// brought to length 1.
  ///
  /// - Parameters:
  ///   - sources: `attributes`, `text`, or names of files.
  ///   - folder: where files with relative names are.
  ///   - known: only the first so many items decide on the columns (`ItemFeatures.attributes`); all when `nil`.
  /// - Throws: `DatasetError` or `ModelFileError` with the first thing that does not fit.
  public static func features(_ sources: [String], of catalogue: Catalogue, folder: String = "", known: Int? = nil) throws
    -> ItemFeatures
  {
    guard Set(sources).count == sources.count, !sources.contains("") else {
      throw DatasetError(
        "item features are '\(sources.joined(separator: ","))'; expected different ones of attributes, text and files")
    }
    return try ItemFeatures(
      joining: try sources.map { source in
        switch source {
        case "attributes": try ItemFeatures.attributes(of: catalogue, known: known)
        case "text": try ItemFeatures.text(of: catalogue)
        default: try vectors(source.hasPrefix("/") || folder.isEmpty ? source : "\(folder)/\(source)", itemCount: catalogue.count)
        }
      })
  }

  private static func vectors(_ path: String, itemCount: Int) throws -> ItemFeatures {
    let table: Tensor
    if path.hasSuffix(".npy") {
      table = try NumpyArray.read(path: path)
    } else if path.hasSuffix(".safetensors") {
      let tensors = try SafeTensors.read(path: path).tensors
      guard tensors.count == 1, let only = tensors.values.first else {
        throw ModelFileError(
          file: path, found: "\(tensors.count) tensors (\(tensors.keys.sorted().joined(separator: ", ")))",
          expected: "exactly one")
      }
      table = only
    } else {
      throw DatasetError(
        "item features '\(path)': expected \(names.joined(separator: ", ")), or a file that ends in .npy or .safetensors")
    }
    guard table.shape.count == 2, table.shape[0] == itemCount, table.shape[1] >= 1 else {
      throw ModelFileError(
        file: path, found: "an array of shape \(table.shape)",
        expected: "\(itemCount) rows, one for each item of the catalogue in its order")
    }
    // Lengths before numbers: a row of huge numbers is as good as one of small ones.
    var values = table.values
    for item in 0..<itemCount {
      let range = item * table.shape[1]..<(item + 1) * table.shape[1]
      let squares = values[range].reduce(0.0) { $0 + Double($1) * Double($1) }
      guard squares.isFinite else {
        throw ModelFileError(
          file: path, found: "a number that is none, or infinite, in row \(item) (counted from 0)", expected: "finite numbers")
      }
      let factor = squares > 0 ? 1 / squares.squareRoot() : 0
      for index in range { values[index] = Float(Double(values[index]) * factor) }
    }
    do { return try ItemFeatures(itemCount: itemCount, dimension: table.shape[1], values: values) } catch {
      throw DatasetError("\(path): \(error)")
    }
  }
}

/// The features of a finished run, beside its model.
public enum ItemFeatureFile {
  public static let name = "item-features.npy"

  public static func write(_ features: ItemFeatures, to folder: String) throws {
    try NumpyArray.write(
      Tensor(shape: [features.itemCount, features.dimension], values: features.values), to: "\(folder)/\(name)")
  }

  /// - Throws: `ModelFileError` or `DatasetError` when the file is missing or no table of features.
  public static func read(folder: String) throws -> ItemFeatures {
    let table = try NumpyArray.read(path: "\(folder)/\(name)")
    return try ItemFeatures(itemCount: table.shape[0], dimension: table.shape[1], values: table.values)
  }
}
