places-card-title = Addresses
places-card-text = Find a neighbourhood of Ishikawa by a part of its name
places-title = Find an address
places-lead = Find { $municipalities } cities and towns and { $towns } neighbourhoods of Ishikawa by a part of their name.
places-q = Address or name of a neighbourhood
places-q-hint = Write it in Japanese, in old or new characters. Cities and towns can also be found in Latin letters (Nomi, Kanazawa); the readings of neighbourhoods are not known.
places-area = City or town
places-area-all = All
places-go = Search
places-found = { $n ->
    [one] **{ $n } place** found.
   *[other] **{ $n } places** found.
 }
places-found-first = There are many. These are the **{ $n }** that fit best.
places-none = Nothing was found.
places-none-text = Write only the name of the neighbourhood, or search in all cities and towns.
places-too-long = Please write at most 200 characters.
places-empty = Please write the name of a neighbourhood, city or town.
places-list = Places found
places-towns = { $n } neighbourhoods
places-towns-of = Neighbourhoods of { $name }: { $n }
places-municipalities = By city or town
places-no = No.
places-place = Place
places-fit = How it fits
places-position = Latitude, longitude
places-fit-exact = same name
places-fit-prefix = same beginning
places-fit-substring = same part
places-fit-tokens = has every word
places-fit-enclosing = contains the place you wrote
places-fit-similar = one letter differs
places-source = Sources
