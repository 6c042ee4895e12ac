import VoleryProtobuf

/// The values of the six messages: the same at every run.
enum Samples {
  static let hello = Hello.with { $0.name = "world" }

  static let simpleResponse = SimpleResponse.with {
    $0.payload = Payload.with { $0.body = bytes(1024) }
    $0.username = "somebody@example.com"
  }

  static let blob = Blob.with { $0.data = bytes(1 << 20) }

  static let readings = Readings.with {
    $0.readings = (0..<1000).map { index in
      Reading.with {
        $0.sensor = "building-7/floor-\(index % 40)/sensor-\(index)"
        $0.time = 1_700_000_000_000_000 + Int64(index) * 1_000_003
        $0.value = Double(index) * 0.37
        $0.price = Money.with {
          $0.currency = "EUR"
          $0.units = Int64(index * 17)
          $0.nanos = 500_000_000
        }
      }
    }
  }

  static let numbers = Numbers.with {
    var state: UInt32 = 1
    $0.varints = (0..<10_000).map { _ in
      state = state &* 1_664_525 &+ 1_013_904_223
      return Int32(truncatingIfNeeded: state >> (state >> 28))  // One to five bytes each.
    }
    $0.fixed = (0..<2_000).map { UInt64($0) &* 0x9e37_79b9_7f4a_7c15 }
  }

  /// A message as business programs have them: 32 fields, 10 sub-messages, 7 maps, about 50 strings.
  static let order = Order.with {
    $0.id = "ord_01HF9Z3K7V6W8Q2R5T4Y1X0ABC"
    $0.customer = "cus_7730912"
    $0.state = .paid
    $0.created = 1_700_000_123_456
    $0.updated = 1_700_000_654_321
    $0.total = money(249)
    $0.shippingCost = money(4)
    $0.billing = address("Ada Lovelace", "12 St James's Square", "London")
    $0.shipping = address("Grace Hopper", "1 Navy Yard", "Arlington")
    $0.items = (1...5).map { index in
      Item.with {
        $0.sku = "SKU-\(1000 + index)-XL"
        $0.title = "An article with a title of some length, number \(index)"
        $0.quantity = UInt32(index)
        $0.price = Int64(index * 1999)
        $0.attributes = ["colour": "petrol", "size": "XL"]
      }
    }
    $0.labels = ["region": "eu-west-1", "source": "mobile", "experiment": "checkout-b"]
    $0.counters = ["views": 17, "edits": 3]
    $0.tags = ["priority", "gift", "returning"]
    $0.ratings = [5, 4, 5, 3, 5]
    $0.weights = [0.5, 1.25, 3.75]
    $0.signature = bytes(64)
    $0.gift = true
    $0.note = "Please leave it with the neighbour on the second floor."
    $0.priority = -1
    $0.payment = .card(
      Card.with {
        $0.holder = "A LOVELACE"
        $0.number = "4111111111111111"
        $0.month = 12
        $0.year = 2029
      })
    $0.checksum = 0xdead_beef_cafe_f00d
    $0.shard = 17
    $0.balance = -12_345
    $0.offset = -7
    $0.discount = 0.15
    $0.tax = 19.5
    $0.version = 3
    $0.channel = "ios-4.17.2"
    $0.locale = "en_GB"
    $0.history = [.open, .paid]
  }

  private static func money(_ units: Int64) -> Money {
    Money.with {
      $0.currency = "EUR"
      $0.units = units
      $0.nanos = 990_000_000
    }
  }

  private static func address(_ name: String, _ street: String, _ city: String) -> Address {
    Address.with {
      $0.name = name
      $0.street = street
      $0.city = city
      $0.zip = "SW1Y 4JH"
      $0.country = "GB"
    }
  }

  private static func bytes(_ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
  }
}
