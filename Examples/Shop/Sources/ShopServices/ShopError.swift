import Volery
import VoleryInterceptors

package enum ShopError: StatusErrorConvertible {
  case soldOut(String)

  package var statusCode: StatusCode { .failedPrecondition }

  package var statusMessage: String {
    switch self {
    case .soldOut(let name): "there is not enough \(name)"
    }
  }
}
