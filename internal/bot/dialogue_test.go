package bot

import (
	"testing"

	"buzon/internal/desk"
)

// TestDialogues: what the person does and what the bot answers, in each language.
func TestDialogues(t *testing.T) {
	none := func(*desk.Template) {}
	for _, c := range []struct {
		name   string
		world  func(lang string) World
		script string
	}{
		{"S1-04 S1-05 S1-06 a registered person gets a greeting with a menu, types 5 and chooses a project", registered, `
			> hola
			< greeting.registered + menu.prompt | 5. {case}
			= menu
			> 5
			< prompt.project: Agua, Salud, Obras
			= project`},
		{"S1-07 a registered person with a configured project code is in that project at once", with(registered, func(w *World) {
			w.Settings.ProjectCode = "Salud-code"
		}), `
			> hola
			< greeting.registered + menu.prompt | 5. {case}
			> 5
			< auto project=Salud
			< prompt.service: Citas, Vacunas
			= service`},
		{"S1-05 Q1 the number may have a dot, space, a keycap or full width; the label does as well", registered, `
			> x
			< greeting.registered + menu.prompt | 5. {case}
			> 5.
			< prompt.project: Agua, Salud, Obras
			> {cancel}
			< cancelled
			> x
			< greeting.registered + menu.prompt | 5. {case}
			> 5️⃣
			< prompt.project: Agua, Salud, Obras
			> {cancel}
			< cancelled
			> x
			< greeting.registered + menu.prompt | 5. {case}
			> ５
			< prompt.project: Agua, Salud, Obras
			> {cancel}
			< cancelled
			> x
			< greeting.registered + menu.prompt | 5. {case}
			> {CASE}
			< prompt.project: Agua, Salud, Obras`},
		{"Q1 an entry with a text answers it and shows the menu again", with(registered, func(w *World) {
			w.Settings.Menu = append([]desk.MenuItem{{Number: 0, Label: map[string]string{"es": "Horario"},
				Action: desk.ActionText, Text: map[string]string{"es": "De 8 a 17."}}}, w.Settings.Menu...)
		}), `
			> hola
			< greeting.registered + menu.prompt | 0. Horario | 5. {case}
			> 0
			<  | De 8 a 17.
			< menu.prompt | 0. Horario | 5. {case}
			> horario
			<  | De 8 a 17.
			< menu.prompt | 0. Horario | 5. {case}
			= menu`},
		{"Q5 a right answer to the menu begins the count anew", with(registered, func(w *World) {
			w.Settings.Menu = append(w.Settings.Menu, desk.MenuItem{Number: 6, Label: map[string]string{"es": "Ayuda"}, Action: desk.ActionText})
		}), `
			> hola
			< greeting.registered + menu.prompt | 5. {case} | 6. Ayuda
			> x
			< menu.prompt + menu.wrong | 5. {case} | 6. Ayuda
			> x
			< menu.prompt + menu.wrong | 5. {case} | 6. Ayuda
			> 6
			< menu.prompt | 5. {case} | 6. Ayuda
			> x
			< menu.prompt + menu.wrong | 5. {case} | 6. Ayuda
			> x
			< menu.prompt + menu.wrong | 5. {case} | 6. Ayuda
			= menu`},
		{"Q1 Q5 any other number gets the prompt again, the third in a row ends the dialogue", registered, `
			> hola
			< greeting.registered + menu.prompt | 5. {case}
			> 7
			< menu.prompt + menu.wrong | 5. {case}
			> -5
			< menu.prompt + menu.wrong | 5. {case}
			> 55
			< wrong_end
			= over
			> 5
			< greeting.registered + menu.prompt | 5. {case}`},
		{"S1-04 a menu that offers nothing else needs no project to be open until it is chosen", with(registered, func(w *World) {
			w.Offered = desk.Catalogue{}
		}), `
			> hola
			< greeting.registered + menu.prompt | 5. {case}
			> 5
			< no_projects
			= over`},
		{"S1-08 S1-09 a person who is not known is greeted first, then asked for the project", town, `
			> hola
			< greeting.unregistered
			< prompt.project: Agua, Salud, Obras
			= project`},
		{"S1-09 Q4 exactly one project is taken by itself", of(project("Agua", service{"Fugas", 1}, service{"Cortes", 1})), `
			> hola
			< greeting.unregistered
			< auto project=Agua
			< prompt.service: Fugas, Cortes`},
		{"S1-10 a configured code chooses the project of a person who is not known", with(town, func(w *World) {
			w.Settings.ProjectCode = " Salud-code "
		}), `
			> hola
			< greeting.unregistered
			< auto project=Salud
			< prompt.service: Citas, Vacunas`},
		{"S1-10 a code that names no offered project: an apology", with(town, func(w *World) {
			w.Settings.ProjectCode = "Otro"
		}), `
			> hola
			< greeting.unregistered
			< no_projects
			= over`},
		{"S1-12 Q4 no project: an apology, and the dialogue is over", of(), `
			> hola
			< greeting.unregistered
			< no_projects
			= over`},
		{"S1-20 Q4 a project without services: an apology", of(project("Agua"), project("Salud", service{"Citas", 1})), `
			> hola
			< greeting.unregistered
			< prompt.project: Agua, Salud
			tap Agua
			< no_services
			= over`},
		{"S1-26 Q4 a service without categories: an apology", of(project("Agua", service{"Fugas", 0}, service{"Cortes", 1})), `
			> hola
			< greeting.unregistered
			< auto project=Agua
			< prompt.service: Fugas, Cortes
			tap Fugas
			< chosen service=Fugas
			< no_categories
			= over`},
		{"S1-13 S1-14 S1-15 eleven projects: nine and Following, then two", of(many(11)...), `
			> hola
			< greeting.unregistered
			< prompt.project: P01…P09 (9) →
			tap →
			< prompt.project: P10, P11
			= project`},
		{"S1-13 ten projects stand on one list", of(many(10)...), `
			> hola
			< greeting.unregistered
			< prompt.project: P01…P10 (10)`},
		{"S1-15 the lists go on until the last has no more than ten", of(many(28)...), `
			> hola
			< greeting.unregistered
			< prompt.project: P01…P09 (9) →
			tap →
			< prompt.project: P10…P18 (9) →
			tap →
			< prompt.project: P19…P28 (10)`},
		{"S1-14 Q2 Following may be typed, in any language, but not at the last list", of(many(28)...), `
			> hola
			< greeting.unregistered
			< prompt.project: P01…P09 (9) →
			> SIGUIENTE
			< prompt.project: P10…P18 (9) →
			> seguinte.
			< prompt.project: P19…P28 (10)
			> following
			< prompt.project + wrong: P19…P28 (10)
			= project`},
		{"S1-16 any of the lists may be chosen from, and Following of an old list works again", of(many(28)...), `
			> hola
			< greeting.unregistered
			< prompt.project: P01…P09 (9) →
			tap →
			< prompt.project: P10…P18 (9) →
			tap →
			< prompt.project: P19…P28 (10)
			tap → @1
			< prompt.project: P10…P18 (9) →
			> {next}
			< prompt.project: P19…P28 (10)
			tap P02 @1
			< auto service=S
			< prompt.category: C01`},
		{"S1-17 S1-18 Q6 a tap on an old list after the choice changes nothing and hints to Cancel", town, `
			> hola
			< greeting.unregistered
			< prompt.project: Agua, Salud, Obras
			tap Salud
			< prompt.service: Citas, Vacunas
			tap Agua
			< chosen_already
			tap Salud
			< chosen_already
			= service
			tap Vacunas
			< chosen service=Vacunas
			< prompt.category: C01, C02`},
		{"S1-24 Q6 the service can not be changed either; taps on old lists are not wrong inputs", town, `
			> hola
			< greeting.unregistered
			< prompt.project: Agua, Salud, Obras
			tap Salud
			< prompt.service: Citas, Vacunas
			tap Vacunas
			< chosen service=Vacunas
			< prompt.category: C01, C02
			tap Citas
			< chosen_already
			tap Citas
			< chosen_already
			tap Citas
			< chosen_already
			tap Obras
			< chosen_already
			= category`},
		{"Q6 a tap on a list of an earlier dialogue: a hint while another runs, a new beginning while none does", town, `
			> hola
			< greeting.unregistered
			< prompt.project: Agua, Salud, Obras
			> {cancel}
			< cancelled
			tap Agua
			< greeting.unregistered
			< prompt.project: Agua, Salud, Obras
			tap Salud @1
			< chosen_already
			= project`},
		{"Q6 a tap on a list of an earlier dialogue at the menu", registered, `
			> hola
			< greeting.registered + menu.prompt | 5. {case}
			> 5
			< prompt.project: Agua, Salud, Obras
			> {cancel}
			< cancelled
			> hola
			< greeting.registered + menu.prompt | 5. {case}
			tap Agua
			< chosen_already
			= menu`},
		{"a tap that is not of ours counts as the text that it carries", town, `
			> hola
			< greeting.unregistered
			< prompt.project: Agua, Salud, Obras
			tap id row_a
			< prompt.project + wrong: Agua, Salud, Obras`},
		{"a tap on what is no longer offered lists what is", town, `
			> hola
			< greeting.unregistered
			< prompt.project: Agua, Salud, Obras
			drop Agua
			tap Agua
			< gone + prompt.project: Salud, Obras
			tap Agua
			< gone + prompt.project: Salud, Obras
			tap Agua
			< gone + prompt.project: Salud, Obras
			= project`},
		{"a project that is withdrawn after it was chosen: an apology", town, `
			> hola
			< greeting.unregistered
			< prompt.project: Agua, Salud, Obras
			tap Salud
			< prompt.service: Citas, Vacunas
			drop Salud
			tap Citas
			< no_services
			= over`},
		{"a project that is withdrawn before the category: an apology", town, `
			> hola
			< greeting.unregistered
			< prompt.project: Agua, Salud, Obras
			tap Salud
			< prompt.service: Citas, Vacunas
			tap Citas
			< chosen service=Citas
			< prompt.category: C01
			drop Salud
			tap C01
			< no_categories
			= over`},
		{"S1-19 S1-02 the word Cancel ends, whatever comes next begins with the greeting, even Cancel", town, `
			> hola
			< greeting.unregistered
			< prompt.project: Agua, Salud, Obras
			>  CANCELAR! 
			< cancelled
			= over
			> {cancel}
			< greeting.unregistered
			< prompt.project: Agua, Salud, Obras
			> cancelar la cita
			< prompt.project + wrong: Agua, Salud, Obras`},
		{"S1-20 Q7 a project with groups asks for the group, then for its services", town, `
			> hola
			< greeting.unregistered
			< prompt.project: Agua, Salud, Obras
			tap Agua
			< prompt.group: Redes, Cobros
			tap Redes
			< prompt.service: Fugas, Cortes
			= service`},
		{"S1-20 S1-22 services without a group stand behind the groups", town, `
			> hola
			< greeting.unregistered
			< prompt.project: Agua, Salud, Obras
			tap Obras
			< prompt.group_or_service: Vías, Quejas
			tap Quejas
			< chosen service=Quejas
			< prompt.category: C01`},
		{"S1-21 Q7 the only service of a group is taken by itself", town, `
			> hola
			< greeting.unregistered
			< prompt.project: Agua, Salud, Obras
			tap Agua
			< prompt.group: Redes, Cobros
			tap Cobros
			< auto service=Factura
			< prompt.category: C01…C09 (9) →`},
		{"S1-21 Q4 one project, group and service are taken at once, one category is not", of(project("Agua", group{"Redes", service{"Fugas", 1}})), `
			> hola
			< greeting.unregistered
			< auto project=Agua group=Redes service=Fugas
			< prompt.category: C01
			= category`},
		{"Q7 the only group is taken, its services are asked for", of(project("Agua", group{"Redes", service{"Fugas", 1}, service{"Cortes", 1}})), `
			> hola
			< greeting.unregistered
			< auto project=Agua group=Redes
			< prompt.service: Fugas, Cortes`},
		{"S1-23 nineteen services: nine and Following, then ten", of(project("Agua", services(19)...)), `
			> hola
			< greeting.unregistered
			< auto project=Agua
			< prompt.service: S01…S09 (9) →
			tap →
			< prompt.service: S10…S19 (10)
			tap S03
			< chosen service=S03
			< prompt.category: C01`},
		{"S1-25 S1-26 S1-27 the service is echoed, then its categories are listed in pages", of(project("Agua", service{"Fugas", 31}, service{"Cortes", 1})), `
			> hola
			< greeting.unregistered
			< auto project=Agua
			< prompt.service: Fugas, Cortes
			tap Fugas
			< chosen service=Fugas
			< prompt.category: C01…C09 (9) →
			tap →
			< prompt.category: C10…C18 (9) →
			tap →
			< prompt.category: C19…C27 (9) →
			tap →
			< prompt.category: C28, C29, C30, C31
			tap C01
			< form | {form_link}
			= over`},
		{"S1-28 S1-32 without a template the last text ends in the link", town, `
			> hola
			< greeting.unregistered
			< prompt.project: Agua, Salud, Obras
			tap Salud
			< prompt.service: Citas, Vacunas
			tap Vacunas
			< chosen service=Vacunas
			< prompt.category: C01, C02
			tap C02
			< form | {form_link}
			= over
			tap C02
			< greeting.unregistered
			< prompt.project: Agua, Salud, Obras`},
		{"S1-28 S1-29 S1-32 with a template the form is opened by its button", templated(none), `
			> hola
			< greeting.unregistered
			< prompt.project: Agua, Salud, Obras
			tap Salud
			< prompt.service: Citas, Vacunas
			tap Vacunas
			< chosen service=Vacunas
			< prompt.category: C01, C02
			tap C02
			< template create_case {lang} ["Vacunas" "C02" "{form_secret}"]
			= over`},
		{"S1-30 S1-31 Q9 a template that is not active", templated(func(t *desk.Template) { t.Active = false }), badTemplate},
		{"S1-30 S1-31 Q9 a template that is not approved", templated(func(t *desk.Template) { t.Status = desk.TemplatePending }), badTemplate},
		{"S1-30 S1-31 Q9 a template that the provider has paused", templated(func(t *desk.Template) { t.ProviderState = "paused" }), badTemplate},
		{"S1-30 S1-31 Q9 a template of another name", templated(func(t *desk.Template) { t.Name = "Create_case" }), badTemplate},
		{"names may be typed: case, accents and space do not count", town, `
			> hola
			< greeting.unregistered
			< prompt.project: Agua, Salud, Obras
			>  OBRAS
			< prompt.group_or_service: Vías, Quejas
			> vias
			< prompt.service: Baches, Puentes
			> Quejas
			< prompt.service + wrong: Baches, Puentes`},
		{"a name on a later list may be typed as well", of(many(20)...), `
			> hola
			< greeting.unregistered
			< prompt.project: P01…P09 (9) →
			> p20
			< auto service=S
			< prompt.category: C01`},
		{"a name that two options share can not be typed", of(project("Ano", services(2)...), project("Año", services(2)...), project("año", services(2)...)), `
			> hola
			< greeting.unregistered
			< prompt.project: Ano, Año, año
			> ANO
			< prompt.project + wrong: Ano, Año, año
			> Año
			< prompt.service: S01, S02`},
		{"Q5 the third wrong input in a row ends the dialogue; a number is not an option of a list", town, `
			> hola
			< greeting.unregistered
			< prompt.project: Agua, Salud, Obras
			> 1
			< prompt.project + wrong: Agua, Salud, Obras
			> ""
			< prompt.project + wrong: Agua, Salud, Obras
			> ?
			< wrong_end
			= over
			> ?
			< greeting.unregistered
			< prompt.project: Agua, Salud, Obras`},
		{"Q5 a right input begins the count anew", of(many(12)...), `
			> hola
			< greeting.unregistered
			< prompt.project: P01…P09 (9) →
			> 1
			< prompt.project + wrong: P01…P09 (9) →
			> 1
			< prompt.project + wrong: P01…P09 (9) →
			tap →
			< prompt.project: P10, P11, P12
			> 1
			< prompt.project + wrong: P10, P11, P12
			> 1
			< prompt.project + wrong: P10, P11, P12
			> P11
			< auto service=S
			< prompt.category: C01
			> 1
			< prompt.category + wrong: C01
			> 1
			< prompt.category + wrong: C01
			= category`},
		{"Q11 after an hour without an answer the dialogue ends with a sentence", town, `
			> hola
			< greeting.unregistered
			< prompt.project: Agua, Salud, Obras
			wait 59m
			timeout
			= project
			wait 1m
			timeout
			< expired
			= over
			timeout
			= over`},
		{"Q11 every input begins the hour anew, a hint too", town, `
			> hola
			< greeting.unregistered
			< prompt.project: Agua, Salud, Obras
			wait 59m
			tap Salud
			< prompt.service: Citas, Vacunas
			wait 59m
			tap Agua
			< chosen_already
			wait 59m
			timeout
			= service
			tap Citas
			< chosen service=Citas
			< prompt.category: C01`},
		{"Q11 a message that comes before the time-out of an hour ago meets the same end", town, `
			> hola
			< greeting.unregistered
			< prompt.project: Agua, Salud, Obras
			wait 60m
			tap Salud
			< expired
			< greeting.unregistered
			< prompt.project: Agua, Salud, Obras
			= project`},
		{"Q11 the time is a setting", with(town, func(w *World) { w.Settings.TimeoutMinutes = 5 }), `
			> hola
			< greeting.unregistered
			< prompt.project: Agua, Salud, Obras
			wait 4m59s
			timeout
			= project
			wait 1s
			timeout
			< expired`},
	} {
		t.Run(c.name, func(t *testing.T) {
			eachLanguage(t, func(t *testing.T, lang string) {
				play(t, c.world(lang), lang, fill(c.script, lang))
			})
		})
	}
}

const badTemplate = `
	> hola
	< greeting.unregistered
	< prompt.project: Agua, Salud, Obras
	tap Salud
	< prompt.service: Citas, Vacunas
	tap Citas
	< chosen service=Citas
	< prompt.category: C01
	tap C01
	< template_error | Create unidentified case template
	= over`
