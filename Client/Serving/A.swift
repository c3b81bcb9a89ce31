internal import Serving
