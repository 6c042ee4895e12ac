extension Parcel {
  public init(kilograms: Double) { self.init(grams: UInt32(kilograms * 1000)) }
}
