package main

import "strings"

// Texts that YAML could read as another type, and texts that it must wrap, quote or escape.
func texts() []string {
	all := strings.Split(`a|web-0|http_requests|größe|✓|1|0|-1|+1|01|08|0o17|0O17|0o8|0x1F|0X1f|0xg|0b1|0B1|0b2|0b+1|0b-1|-0b1|-0b-1|+0b1|1_000|_1|1_|0x_1|-0x1|`+
		`1.5|1.|.5|.|..|...|....|+.5|-.5|-.|+|-|--|---|---a|--- a|1e3|1E3|1e+3|1e-3|1e|e3|1e1.5|.5e3|.e3|._5|.5_0|1.5e3|1.5.2|1e-999|`+
		`9223372036854775807|9223372036854775808|18446744073709551615|18446744073709551616|-9223372036854775808|-9223372036854775809|`+
		`07777777777777777777777777|0x1p-2|0x1.8|`+
		`1500m|1k|100m|-12|1Ki|1h|5m30s|`+
		`1:30|1:60|12:30:45|-1:30|1:3_0|1_0:30|1:30.5|1:30.|1:|:1|1:a|+1:1|190:20:30|a:1|`+
		`2026-08-18|2026-8-1|2026-13-01|2026-02-29|2024-02-29|2026-00-10|2026-08-32|2026-08-18T02:35:04Z|2026-08-18t02:35:04Z|2026-08-18T02:35:04|2026-08-18 02:35:04|2026-08-18 2:35:4|2026-08-18 02:35|`+
		`2026-08-18T02:35:04.5Z|2026-08-18T02:35:04,5Z|2026-08-18T02:35:04.123456789012Z|2026-08-18T02:35:04.Z|2026-08-18 02:35:04.5|2026-08-18T24:00:00Z|2026-08-18T23:60:00Z|2026-08-18T23:59:60Z|`+
		`2026-08-18T02:35:04+02:00|2026-08-18T02:35:04-24:60|2026-08-18T02:35:04+25:00|2026-08-18T02:35:04+0200|2026-08-18T02:35:04z|2026-08-18 02:35:04Z|2026-8-18T2:5:4Z|2026-008-18|2026-08-18x|20260-08-18|202-08-18|2026-|`+
		`true|True|TRUE|tRUE|false|yes|Yes|YES|yEs|no|No|NO|on|On|off|OFF|y|Y|n|N|null|Null|NULL|nULL|~|~~|.nan|.NaN|.NAN|.inf|-.inf|+.Inf|nan|inf|NaN|`+
		`<|=|==|*|*a|&a|!a|!|%a|@a|#a|a#b|a #b|a# b|,a|a,b|[|]|[a]|{|}|{a}|a[b]|'|'a'|a'b|"|"a"|a"b|\|\\|a\b|>|>a|?|?a|? a|:|:a|: a|a:|a: b|a:b|a :b|- a|-a|-- a|a - b|a-|`+
		`/|/metrics|http://127.0.0.1:8080/a?b=c#d|app.kubernetes.io/name|metriclet: it's "so"|(a)|a;b|$a|^a|a=b|{{a}}|$(a)`, "|")
	all = append(all, "", " ", "  ", " a", "a ", "  a", "a  b", "a  ", "|", "|a", "`a", "a|b", "\t", "a\tb", "\ta", "a\t", "a:\tb", "a\t#b",
		"\n", "\n\n", "a\n", "a\n\n", "\na", "a\nb", "a\n b", " a\nb", "a \nb", "a\nb ", "a\n\nb", "a\nb\n", "a\nb\n\n", "a: b\n- c\n", "a\tb\nc", "#a\n", "\n ", " \n", "a\r\nb", "a\rb", "\r",
		"größe\nüber", "a\u00a0b", "\u00a0", "a\u0000b", "\u0007\b\t\u000b\f\r\u001b", "\u0001", "😀", "a😀b", "\ufffd", "\ue000", "a\ufeffb",
		strings.Repeat("a", 81), strings.Repeat("a", 128), strings.Repeat("a", 129), strings.Repeat("ü", 64), strings.Repeat("ü", 65),
		strings.Repeat("word ", 40)+"end", strings.Repeat("word  ", 40)+"end", strings.Repeat("größe ", 40)+"end", strings.Repeat("a", 90)+" b c", strings.Repeat("a", 75)+" b c d e f g",
		strings.Repeat("word ", 40), "- "+strings.Repeat("word ", 40)+"end", "- "+strings.Repeat("word  ", 40)+"end", "'"+strings.Repeat("it's ", 40)+"end", strings.Repeat("a: ", 60)+"end",
		"\t"+strings.Repeat("word ", 40)+"end", "\t"+strings.Repeat("word  ", 40)+"end", "\t"+strings.Repeat("wo\td   ", 40)+"end", strings.Repeat("😀 ", 60), "\t"+strings.Repeat("word ", 40),
		strings.Repeat("word ", 40)+"end\n"+strings.Repeat("word ", 40)+"end", strings.Repeat("word ", 40)+"\n"+strings.Repeat("word ", 40)+"\u0001", "1 "+strings.Repeat("word ", 40), "true "+strings.Repeat("word ", 40)+"end")
	return all
}
