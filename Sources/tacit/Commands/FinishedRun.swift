internal import CommandSupport
internal import CryptoPrimitives
internal import FederatedLearning
internal import Foundation
internal import ModelExport
internal import Recommender
internal import Storage

/// A run as its folder holds it: plan, settings and the model, checked against each other before anything is scored.
struct FinishedRun {
  let folder: RunFolder
  let plan: TrainingPlan
  let settings: RunSettingsFile
  let model: ItemModel
  /// Public item ids in the order of the catalogue.
  let itemIDs: [String]
  let algorithm: any FederatedAlgorithm

  var scorer: any Scorer { algorithm.scorer(model: model) }

  /// Reads a run folder.
  ///
  /// - Throws: `CommandFailure` naming the file that is missing or does not fit.
  init(at path: String) throws {
    folder = try RunFiles.open(path)
    let planPath = folder.plan
    do { plan = try PlanFile(bytes: try RunFiles.read(planPath, of: folder)).plan } catch let error as PlanError {
      throw CommandFailure(.data, "\(planPath): \(error)")
    }
    settings = try RunSettingsFile(reading: folder)
    guard FileManager.default.fileExists(atPath: "\(folder.currentPath)/\(ModelBundle.tensorsName)") else {
      throw CommandFailure(
        .noInput,
        "\(folder.currentPath) holds no model (\(ModelBundle.tensorsName) is missing): the run ended before its end; run it again under another name"
      )
    }
    (model, itemIDs) = try ModelBundle.read(folder: folder.currentPath)
    let modelPath = "\(folder.currentPath)/\(ModelBundle.tensorsName)"
    guard model.algorithm == plan.algorithm.name else {
      throw CommandFailure(
        .data, "\(modelPath): found a model of '\(model.algorithm)', expected '\(plan.algorithm.name)' as in plan.json")
    }
    guard Set(itemIDs).count == itemIDs.count,
      SHA256.hash(Catalogue(itemIDs: itemIDs).canonicalBytes).hex == plan.catalogue.hash
    else {
      throw CommandFailure(
        .data,
        "\(folder.currentPath)/\(ModelBundle.idsName): found \(itemIDs.count) ids that are not the catalogue of plan.json, expected its \(plan.catalogue.itemCount) ids; the file was changed or is of another run"
      )
    }
    do {
      let features = plan.catalogue.features == nil ? nil : try ItemFeatureFile.read(folder: folder.currentPath)
      algorithm = try plan.makeAlgorithm(features: features)
    } catch let error as ModelFileError {
      throw CommandFailure(.data, "\(error)")
    } catch { throw CommandFailure(.data, "\(planPath): \(error)") }
    try checkTensors(modelPath)
  }

  /// The model's tensors must be those that this plan's algorithm scores with; scorers take that for granted.
  private func checkTensors(_ path: String) throws {
    guard model.version <= plan.releases.count else {
      throw CommandFailure(
        .data,
        "\(path): found version \(model.version), expected at most \(plan.releases.count) releases; the model is of another run")
    }
    if let fault = algorithm.fault(in: model) {
      throw CommandFailure(.data, "\(path): \(fault); the model is damaged or of another plan")
    }
  }

  /// The data that the run was judged on.
  ///
  /// - Parameter path: another place of the same data; as in settings.json when `nil`.
  /// - Throws: `CommandFailure` when the data cannot be read, or are not over the plan's catalogue.
  func dataset(from path: String?) throws -> Dataset {
    try data(from: path).dataset
  }

  /// The same with the users and items that were left out of training, where the run has some.
  func data(from path: String?) throws -> (dataset: Dataset, coldStart: ColdStartSplit?) {
    let name = path ?? settings.data
    var dataset: Dataset
    do { dataset = try DataSource.load(name, seed: settings.seed, validation: settings.validation).dataset } catch let
      failure as CommandFailure
    {
      guard path == nil else { throw failure }
      throw CommandFailure(
        failure.kind,
        "\(failure.description) (this path is from settings.json of the run; say where the data are now with --data)")
    }
    let split = try ColdStart.split(
      dataset, users: settings.holdOutUsers ?? 0, items: settings.holdOutItems ?? 0, seed: settings.seed)
    if let split { dataset = split.warm }
    let hash = SHA256.hash(dataset.catalogue.canonicalBytes).hex
    guard hash == plan.catalogue.hash else {
      throw CommandFailure(
        .data,
        "\(name): found a catalogue of \(dataset.itemCount) items with hash \(hash.prefix(12))…, expected the plan's \(plan.catalogue.itemCount) items with hash \(plan.catalogue.hash.prefix(12))…; give the data of this run with --data"
      )
    }
    return (dataset, split)
  }
}

/// Opening and reading what a run left.
enum RunFiles {
  /// - Throws: `CommandFailure` or `StorageError` when there is no such folder.
  static func open(_ path: String) throws -> RunFolder {
    guard !path.isEmpty else { throw CommandFailure(.usage, "the run folder is empty; expected a folder such as runs/first") }
    let folder: RunFolder
    do { folder = try RunFolder.open(at: path) } catch { throw CommandFailure(.noInput, "\(error)") }
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: folder.currentPath, isDirectory: &isFolder), isFolder.boolValue else {
      throw CommandFailure(.noInput, "\(path): found a file, expected the folder of a run such as runs/first")
    }
    return folder
  }

  /// - Throws: `CommandFailure` that names the file.
  static func read(_ file: String, of folder: RunFolder) throws -> [UInt8] {
    guard FileManager.default.fileExists(atPath: file) else {
      throw CommandFailure(.noInput, "\(file) is missing: \(folder.currentPath) is no whole run folder; check the path")
    }
    do { return try folder.read(file) } catch { throw CommandFailure(.io, "\(error)") }
  }

  /// The run under `runs/` that changed last.
  static func newest() -> String? {
    guard let names = try? FileManager.default.contentsOfDirectory(atPath: "runs") else { return nil }
    let runs = names.compactMap { name -> (path: String, date: Date)? in
      let path = "runs/\(name)"
      guard !name.hasSuffix(".partial"),
        let date = try? FileManager.default.attributesOfItem(atPath: "\(path)/\(ModelBundle.tensorsName)")[.modificationDate]
          as? Date
      else { return nil }
      return (path, date)
    }
    return runs.max { ($0.date, $0.path) < ($1.date, $1.path) }?.path
  }
}

extension FinishedRun {
  /// - Throws: `CommandFailure` unless this run was made on the same data as another, and held out the same: what one was judged on, the
  ///   other may have learnt from.
  func requireSameSplit(as other: FinishedRun) throws {
    guard plan.catalogue == other.plan.catalogue else {
      throw CommandFailure(
        .data,
        "\(folder.currentPath): found the catalogue \(plan.catalogue.hash.prefix(12))…, expected that of \(other.folder.currentPath), \(other.plan.catalogue.hash.prefix(12))…: runs are compared on the same data"
      )
    }
    guard settings.split == other.settings.split else {
      throw CommandFailure(
        .data,
        "\(folder.currentPath): found a run that was made with \(settings.split), expected \(other.settings.split) as of \(other.folder.currentPath): one may have learnt what the other is judged on; make one of them again"
      )
    }
  }
}

extension RunSettingsFile {
  /// What was held out, in the words of the flags.
  fileprivate var split: String {
    var words = [validation ? "--validation" : "the data's own test items"]
    if let holdOutUsers { words.append("--hold-out-users \(holdOutUsers)") }
    if let holdOutItems { words.append("--hold-out-items \(holdOutItems)") }
    // Who and what is held out depends on the seed.
    if words.count > 1 { words.append("--seed \(seed)") }
    return words.joined(separator: " ")
  }
}
