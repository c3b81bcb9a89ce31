internal import X509
internal import SwiftASN1
internal import Crypto
