package session

import (
	"strings"
	"unicode/utf8"
)

// Clip cuts a text to so many bytes, at a character's end. What is no UTF-8 is replaced: it could not be sent at all, ever.
func Clip(text string, bytesMax int) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	if len(text) <= bytesMax {
		return text
	}
	for bytesMax > 0 && !utf8.RuneStart(text[bytesMax]) {
		bytesMax--
	}
	return text[:bytesMax]
}
