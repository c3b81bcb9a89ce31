import PartnerService
import Testing
import Transport

@Suite struct DistrustTests {
  @Test
  func `a daemon gives up on connections that are not trusted after an hour of nothing else, or with a certificate that ran out`()
  {
    let start = ContinuousClock.now
    let failure = TransportFailure.notTrusted("not valid now")
    var distrust = Distrust()
    // However many tries there are, within the hour.
    for second in 0..<3600 {
      distrust.note(failure, hasExpired: false, now: start + .seconds(second))
      #expect(!distrust.isFinal)
    }
    distrust.note(failure, hasExpired: false, now: start + .seconds(3600))
    #expect(distrust.isFinal)
    // An outage in between begins the hour anew.
    distrust.note(.unreachable("nobody is there"), hasExpired: false, now: start + .seconds(3601))
    distrust.note(failure, hasExpired: false, now: start + .seconds(3602))
    #expect(!distrust.isFinal)
    distrust.note(failure, hasExpired: true, now: start + .seconds(3603))
    #expect(distrust.isFinal)
  }
}
