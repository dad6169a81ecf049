/* The floor for WBXML: libwbxml in a loop, on octets that `codec.rs` writes to files.
 *
 * Two things are timed. What its headers offer turns WBXML into XML text and back. Beneath that, exported but not
 * declared for users, it reads WBXML into a tree and writes a tree as WBXML; that is nearer to what we do, and harder on
 * us. For each file pair one line: octets to tree, tree to octets, WBXML to XML, XML to WBXML, in nanoseconds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <wbxml_conv.h>

typedef struct Tree Tree;
WBXMLError wbxml_tree_from_wbxml(WB_UTINY *, WB_ULONG, WBXMLLanguage, WBXMLCharsetMIBEnum, Tree **);
WBXMLError wbxml_tree_to_wbxml(Tree *, WB_UTINY **, WB_ULONG *, WBXMLGenWBXMLParams *);
void wbxml_tree_destroy(Tree *);

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e9 + t.tv_nsec;
}

static unsigned char *contents(const char *path, WB_ULONG *length) {
    FILE *file = fopen(path, "rb");
    unsigned char *octets = malloc(1 << 20);
    if (!file || !octets) exit(2);
    *length = fread(octets, 1, 1 << 20, file);
    fclose(file);
    return octets;
}

/* The best of ROUNDS averages over LOOPS calls. A call that fails is told as -1. */
#define ROUNDS 12
#define LOOPS 100
#define TIME(call)                                                  \
    do {                                                            \
        double best = 1e18;                                         \
        for (int round = 0; round < ROUNDS; round++) {              \
            double begin = now();                                   \
            for (int loop = 0; loop < LOOPS; loop++) call;          \
            double each = (now() - begin) / LOOPS;                  \
            if (each < best) best = each;                           \
        }                                                           \
        printf("%.0f ", failed ? -1 : best);                        \
    } while (0)

int main(int count, char **paths) {
    WBXMLConvWBXML2XML *to_xml;
    WBXMLConvXML2WBXML *to_wbxml;
    wbxml_conv_wbxml2xml_create(&to_xml);
    wbxml_conv_wbxml2xml_set_gen_type(to_xml, WBXML_GEN_XML_COMPACT);
    wbxml_conv_xml2wbxml_create(&to_wbxml);
    wbxml_conv_xml2wbxml_disable_string_table(to_wbxml);
    WBXMLGenWBXMLParams plain = {WBXML_VERSION_12, TRUE, FALSE, FALSE};

    for (int i = 1; i + 1 < count; i += 2) {
        WB_ULONG xml_length, wbxml_length, length;
        unsigned char *wbxml = contents(paths[i], &wbxml_length), *xml = contents(paths[i + 1], &xml_length), *out;
        Tree *tree;
        int failed = 0;
        TIME({
            tree = NULL;
            failed |= wbxml_tree_from_wbxml(wbxml, wbxml_length, WBXML_LANG_UNKNOWN, WBXML_CHARSET_UNKNOWN, &tree);
            if (tree) wbxml_tree_destroy(tree);
        });
        tree = NULL;
        failed |= wbxml_tree_from_wbxml(wbxml, wbxml_length, WBXML_LANG_UNKNOWN, WBXML_CHARSET_UNKNOWN, &tree);
        TIME({
            out = NULL;
            failed |= tree == NULL || wbxml_tree_to_wbxml(tree, &out, &length, &plain);
            free(out);
        });
        if (tree) wbxml_tree_destroy(tree);
        failed = 0;
        TIME({
            out = NULL;
            failed |= wbxml_conv_wbxml2xml_run(to_xml, wbxml, wbxml_length, &out, &length);
            free(out);
        });
        failed = 0;
        TIME({
            out = NULL;
            failed |= wbxml_conv_xml2wbxml_run(to_wbxml, xml, xml_length, &out, &length);
            free(out);
        });
        printf("\n");
        free(xml);
        free(wbxml);
    }
    return 0;
}
