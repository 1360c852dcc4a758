"""What a person may ask beyond the style: sizes, colours, masks, strength, transparency. Arrays in, arrays out."""
