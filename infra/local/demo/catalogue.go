package demo

// The catalogues of the demo companies. Servicios públicos is made to need every
// kind of list: more than ten services in a group, fewer, and more than two pages
// of categories under its first service (S1-13 … S1-27).

// offer is one project with what it offers.
type offer struct {
	name, code string
	groups     []offeredGroup
}

// offeredGroup is a service group with its services; without a name they belong
// to the project itself.
type offeredGroup struct {
	name     string
	services []string
}

// lighting is the first service, with many categories.
const (
	lighting           = "Alumbrado"
	lightingCategories = 31
)

// fewCategories are those of every other service.
var fewCategories = [...]string{"Reportar un problema", "Solicitar el servicio", "Queja o sugerencia"}

func cityOffers() []offer {
	return []offer{
		{"Servicios públicos", "SERVICIOS", []offeredGroup{
			{"Calles y espacios públicos", []string{
				lighting,
				"Bacheo y pavimento",
				"Recolección de basura",
				"Limpieza de calles, plazas y banquetas",
				"Poda y retiro de árboles caídos",
				"Parques y jardines",
				"Alcantarillas y coladeras sin tapa",
				"Mobiliario urbano dañado",
				"Fuentes y monumentos",
				"Grafitis y anuncios irregulares",
				"Señales y nombres de calles",
			}},
			{"Agua y drenaje", []string{
				"Fuga de agua potable",
				"Falta de agua",
				"Drenaje tapado o desbordado",
				"Calidad del agua",
				"Instalación o cambio de medidor",
				"Aclaración de recibos de agua",
			}},
			{"Convivencia y protección civil", []string{
				"Ruido y molestias entre vecinos",
				"Animales en la vía pública",
				"Comercio en la vía pública",
				"Riesgos en edificios y construcciones",
			}},
			{"Trámites", []string{
				"Registro civil",
				"Licencias y permisos de construcción",
			}},
		}},
		{"Movilidad", "MOVILIDAD", []offeredGroup{
			{"", []string{
				"Transporte público",
				"Semáforos",
				"Ciclovías y estaciones de bicicletas",
				"Estacionamiento en lugares prohibidos",
				"Licencias de conducir",
			}},
		}},
		{"Salud", "SALUD", []offeredGroup{
			{"Atención médica", []string{
				"Citas en centros de salud",
				"Vacunación",
				"Atención dental",
			}},
			{"Salud pública", []string{
				"Fumigación y control de plagas",
				"Higiene en mercados y restaurantes",
			}},
		}},
	}
}

func otherOffers() []offer {
	return []offer{{"Atención a clientes", "CLIENTES", []offeredGroup{{"", []string{"Consultas sobre pedidos"}}}}}
}
