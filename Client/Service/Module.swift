internal import Transport
