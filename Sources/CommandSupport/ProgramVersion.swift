/// The one version of the three programs: what they word and render alike has one number.
///
/// A report names it, and whoever verifies one of another version says that its sentences cannot be compared.
public enum ProgramVersion {
  public static let number = "0.3.0"

  public static let tacit = "tacit \(number)"
  public static let coordinator = "tacit-coordinator \(number)"
  public static let client = "tacit-client \(number)"
}
