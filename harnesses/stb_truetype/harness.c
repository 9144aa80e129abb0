/*
 * stb_truetype as a program that draws text uses it: load a font from memory, measure
 * text, draw glyphs, bake atlases. Only documented calls with valid arguments, so that
 * whatever goes wrong is the library's doing.
 *
 * The library's own warning ("does no range checking of the offsets found in the file")
 * is what we are after: a font is a file from anywhere. What we do keep off is work
 * without end: glyphs that would fill more pixels than a screen are measured, not drawn.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define STB_TRUETYPE_IMPLEMENTATION
#include <stb_truetype.h>

enum {
    FONT_MIN =
        12, /* the table directory's fixed part, without which no caller would go on */
    FONT_MAX = 1 << 16,
    FONTS_MAX = 2, /* of a collection */
    PIXELS_MAX = 256 * 256,
    SDF_PIXELS_MAX = 48 * 48, /* costs pixels times outline points */
    SDF_POINTS_MAX = 256,
    KERNING_MAX = 64,
    ATLAS = 128,
    ATLAS_CHARS = 24,
};

static const float text_px = 20.0F;

/* What the drawn text says: ASCII, Latin-1, Greek, a CJK letter, an emoji (cmap 12). */
static const int text[] = {'A', 'B', 'g', '1', ' ', '~', 0xe9, 0x3a9, 0x4e2d, 0x1f600};

enum { TEXT_LEN = sizeof(text) / sizeof(text[0]) };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
measure_font(const stbtt_fontinfo *font)
{
    stbtt_kerningentry pairs[KERNING_MAX];
    int a = 0;
    int b = 0;
    int c = 0;
    int d = 0;

    stbtt_GetFontVMetrics(font, &a, &b, &c);
    (void)stbtt_GetFontVMetricsOS2(font, &a, &b, &c);
    stbtt_GetFontBoundingBox(font, &a, &b, &c, &d);
    (void)stbtt_ScaleForMappingEmToPixels(font, text_px);
    (void)stbtt_GetKerningTable(font, pairs, KERNING_MAX);
    (void)stbtt_GetFontNameString(font, &a, STBTT_PLATFORM_ID_MICROSOFT,
                                  STBTT_MS_EID_UNICODE_BMP, STBTT_MS_LANG_ENGLISH, 1);
}

static void
draw_bitmap(const stbtt_fontinfo *font, float scale, int glyph)
{
    int x0 = 0;
    int y0 = 0;
    int x1 = 0;
    int y1 = 0;

    stbtt_GetGlyphBitmapBoxSubpixel(font, glyph, scale, scale, 0.25F, 0.5F, &x0, &y0, &x1,
                                    &y1);
    if ((int64_t)(x1 - x0) * (y1 - y0) <= PIXELS_MAX) {
        unsigned char *pixels = stbtt_GetGlyphBitmapSubpixel(
            font, scale, scale, 0.25F, 0.5F, glyph, &x0, &y0, &x1, &y1);

        stbtt_FreeBitmap(pixels, NULL);
    }
}

static void
draw_sdf(const stbtt_fontinfo *font, float scale, int glyph)
{
    int x0 = 0;
    int y0 = 0;
    int x1 = 0;
    int y1 = 0;

    stbtt_GetGlyphBitmapBox(font, glyph, scale, scale, &x0, &y0, &x1, &y1);
    if ((int64_t)(x1 - x0 + 8) * (y1 - y0 + 8) <= SDF_PIXELS_MAX) {
        unsigned char *pixels =
            stbtt_GetGlyphSDF(font, scale, glyph, 4, 128, 32.0F, &x0, &y0, &x1, &y1);

        stbtt_FreeSDF(pixels, NULL);
    }
}

static void
draw_glyph(const stbtt_fontinfo *font, float scale, int glyph)
{
    stbtt_vertex *outline = NULL;
    const char *svg = NULL;
    int a = 0;
    int b = 0;
    int c = 0;
    int d = 0;

    stbtt_GetGlyphHMetrics(font, glyph, &a, &b);
    (void)stbtt_GetGlyphBox(font, glyph, &a, &b, &c, &d);
    (void)stbtt_IsGlyphEmpty(font, glyph);
    (void)stbtt_GetGlyphSVG(font, glyph, &svg);

    int points = stbtt_GetGlyphShape(font, glyph, &outline);
    stbtt_FreeShape(font, outline);
    draw_bitmap(font, scale, glyph);
    if (points <= SDF_POINTS_MAX) {
        draw_sdf(font, scale, glyph);
    }
}

static void
draw_text(const stbtt_fontinfo *font)
{
    float scale = stbtt_ScaleForPixelHeight(font, text_px);

    for (int i = 0; i < TEXT_LEN; i++) {
        int glyph = stbtt_FindGlyphIndex(font, text[i]);

        draw_glyph(font, scale, glyph);
        if (i + 1 < TEXT_LEN) {
            (void)stbtt_GetCodepointKernAdvance(font, text[i], text[i + 1]);
        }
    }
}

static void
bake_atlases(const uint8_t *data, int index, int offset)
{
    static unsigned char pixels[ATLAS * ATLAS];
    stbtt_bakedchar baked[ATLAS_CHARS];
    stbtt_packedchar packed[ATLAS_CHARS];
    stbtt_pack_context pack;

    (void)stbtt_BakeFontBitmap(data, offset, text_px, pixels, ATLAS, ATLAS, 'A',
                               ATLAS_CHARS, baked);
    if (stbtt_PackBegin(&pack, pixels, ATLAS, ATLAS, 0, 1, NULL) != 0) {
        stbtt_PackSetOversampling(&pack, 2, 2);
        (void)stbtt_PackFontRange(&pack, data, index, text_px, ' ', ATLAS_CHARS, packed);
        stbtt_PackEnd(&pack);
    }
}

static void
use_fonts(const uint8_t *data)
{
    (void)stbtt_FindMatchingFont(data, "Nightjar", STBTT_MACSTYLE_DONTCARE);
    for (int index = 0; index < FONTS_MAX; index++) {
        int offset = stbtt_GetFontOffsetForIndex(data, index);
        stbtt_fontinfo font;

        if (offset < 0 || stbtt_InitFont(&font, data, offset) == 0) {
            return;
        }
        measure_font(&font);
        draw_text(&font);
        bake_atlases(data, index, offset);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < FONT_MIN || size > FONT_MAX) {
        return 0;
    }

    /* engines hand inputs over in buffers of their own kind; in a heap block of just this
     * size the same over-read makes the same report everywhere */
    uint8_t *font = malloc(size);
    if (font != NULL) {
        memcpy(font, data, size);
        use_fonts(font);
        free(font);
    }
    return 0;
}
