"""The same few sentences in many languages, written for the tests."""

SENTENCES = {
    "ar": "يجري النهر من الجبال إلى البحر، ويحمل معه الرمل والحجارة. في الربيع يذوب الثلج وترتفع المياه حتى تصل إلى الحقول.",
    "bn": "নদীটি পাহাড় থেকে সাগরে বয়ে যায় এবং সঙ্গে বালি আর পাথর নিয়ে আসে। বসন্তে বরফ গলে এবং জল মাঠ পর্যন্ত উঠে আসে।",
    "cs": "Řeka teče z hor k moři a nese s sebou písek a kameny. Na jaře taje sníh a voda stoupá až k polím za vesnicí.",
    "da": "Floden løber fra bjergene ned til havet og fører sand og sten med sig. Om foråret smelter sneen, og vandet stiger helt op til markerne bag ved landsbyen.",
    "de": "Der Fluss fließt von den Bergen zum Meer und trägt Sand und Steine mit sich. Im Frühling schmilzt der Schnee, und das Wasser steigt bis zu den Feldern.",
    "el": "Το ποτάμι κυλά από τα βουνά ως τη θάλασσα και κουβαλά άμμο και πέτρες. Την άνοιξη λιώνει το χιόνι και το νερό φτάνει στα χωράφια.",
    "en": "The river runs from the mountains to the sea and carries sand and stones with it. In spring the snow melts, and the water rises as far as the fields.",
    "es": "El río baja de las montañas hasta el mar y lleva consigo arena y piedras. En primavera se derrite la nieve y el agua llega hasta los campos.",
    "fi": "Joki virtaa vuorilta mereen ja kuljettaa mukanaan hiekkaa ja kiviä. Keväällä lumi sulaa, ja vesi nousee pelloille asti.",
    "fr": "La rivière descend des montagnes jusqu'à la mer et emporte du sable et des pierres. Au printemps, la neige fond et l'eau monte jusqu'aux champs.",
    "he": "הנהר זורם מן ההרים אל הים ונושא עמו חול ואבנים. באביב נמס השלג, והמים עולים עד לשדות שמאחורי הכפר.",
    "hi": "नदी पहाड़ों से समुद्र तक बहती है और अपने साथ रेत और पत्थर ले जाती है। वसंत में बर्फ़ पिघलती है और पानी खेतों तक पहुँच जाता है।",
    "hu": "A folyó a hegyekből a tengerig folyik, és homokot meg köveket visz magával. Tavasszal elolvad a hó, és a víz egészen a földekig emelkedik.",
    "it": "Il fiume scende dalle montagne fino al mare e porta con sé sabbia e pietre. In primavera la neve si scioglie e l'acqua arriva fino ai campi.",
    "ja": "川は山から海へ流れ、砂や石を運んでいきます。春になると雪が溶けて、水は村のうしろの畑まで上がってきます。",
    "ko": "강은 산에서 바다로 흐르며 모래와 돌을 실어 나릅니다. 봄에는 눈이 녹아 물이 마을 뒤의 밭까지 올라옵니다.",
    "nl": "De rivier stroomt van de bergen naar de zee en voert zand en stenen mee. In het voorjaar smelt de sneeuw en stijgt het water tot aan de akkers.",
    "pl": "Rzeka płynie z gór do morza i niesie ze sobą piasek i kamienie. Wiosną topnieje śnieg, a woda podnosi się aż do pól za wsią.",
    "pt": "O rio desce das montanhas até ao mar e leva consigo areia e pedras. Na primavera a neve derrete e a água chega até aos campos.",
    "ro": "Râul curge din munți până la mare și duce cu el nisip și pietre. Primăvara zăpada se topește, iar apa urcă până la câmpurile din spatele satului.",
    "ru": "Река течёт с гор к морю и несёт с собой песок и камни. Весной снег тает, и вода поднимается до самых полей за деревней.",
    "sv": "Floden rinner från bergen ner till havet och för med sig sand och stenar. På våren smälter snön, och vattnet stiger ända upp till åkrarna.",
    "ta": "ஆறு மலைகளிலிருந்து கடல் வரை ஓடுகிறது, மணலையும் கற்களையும் கொண்டு செல்கிறது. வசந்த காலத்தில் பனி உருகி நீர் வயல்கள் வரை உயர்கிறது.",
    "th": "แม่น้ำไหลจากภูเขาลงสู่ทะเล และพัดพาทรายกับก้อนหินไปด้วย ในฤดูใบไม้ผลิหิมะละลาย และน้ำสูงขึ้นจนถึงทุ่งนาหลังหมู่บ้าน",
    "tr": "Irmak dağlardan denize akar, yanında kum ve taş taşır. İlkbaharda kar erir ve su köyün arkasındaki tarlalara kadar yükselir.",
    "uk": "Річка тече з гір до моря і несе з собою пісок та каміння. Навесні сніг тане, і вода піднімається аж до полів за селом.",
    "vi": "Con sông chảy từ núi ra biển và mang theo cát cùng đá. Mùa xuân tuyết tan, và nước dâng lên tận những cánh đồng sau làng.",
    "zh": "河水从山上流向大海，带走沙子和石头。春天雪化了，水一直涨到村子后面的田地里，孩子们在岸边玩耍。",
}
"""ISO 639-1 to the sentences."""

SCRIPTS = {
    "ar": "Arabic",
    "bn": "Bengali",
    "el": "Greek",
    "he": "Hebrew",
    "hi": "Devanagari",
    "ko": "Hangul",
    "ru": "Cyrillic",
    "ta": "Tamil",
    "th": "Thai",
    "uk": "Cyrillic",
    "zh": "Han",
    "ja": "Hiragana",
}
"""The script of most letters, where it is not Latin."""
